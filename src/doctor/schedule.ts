/** Jobs that missed their time: by their schedule, somebody should have started them three times since they last began. */

import type { ShardName } from '../engine/checkpoint.ts';
import { type Job, type ScheduledRun, shardNames } from '../engine/job.ts';
import { type Pause, pauseOf, readPauses } from '../engine/pause.ts';
import type { Instant, Zone } from '../engine/zone.ts';
import type { Reader } from '../platform/mysql.ts';
import { deadlinesOf } from '../schedule/deadline.ts';
import { doubtful, type Finding, fine } from './check.ts';
import type { Patient } from './patient.ts';

/** How far back one looks for runs of a kind: a week of a job that runs every two minutes. */
const runsMax = 5000;

/** When a shard last worked, by kind of run. */
type Last = ReadonlyMap<string, Instant>;

export async function missed({ zone }: Patient, jobs: readonly Job[], reader: Reader): Promise<Finding[]> {
  const pauses = await readPauses(reader, zone);
  const found: Finding[] = [];
  for (const job of jobs) {
    const shards = await lastRuns(reader, job, pauses, zone);
    const plain = { schedule: job.schedule, kinds: ['windows', 'due'] };
    const others = (job.also ?? []).map((more) => ({ schedule: more.schedule, kinds: [kindOf(more)] }));
    for (const wanted of [plain, ...others]) {
      const { start } = await deadlinesOf({ ...job, schedule: wanted.schedule }, Date.now(), zone);
      found.push(...late(job, wanted.schedule, shards, wanted.kinds, start, zone));
    }
  }
  return found.length > 0 ? found : [fine('all jobs were started when they should be')];
}

async function lastRuns(reader: Reader, job: Job, pauses: readonly Pause[], zone: Zone) {
  const shards: { name: ShardName; last: Last }[] = [];
  for (const shard of shardNames(job)) {
    const name = { job: job.name, shard };
    if (pauseOf(pauses, name) !== null) continue; // told as paused
    const rows = await reader.tuples(
      `SELECT kind, MAX(started_at), MAX(ended_at), MAX(ended_at IS NULL AND rank_of = 1)
         FROM (SELECT kind, started_at, ended_at, ROW_NUMBER() OVER (ORDER BY sequence DESC) rank_of
                 FROM tidemark_run WHERE job = ? AND shard = ? ORDER BY sequence DESC LIMIT ${runsMax}) latest GROUP BY kind`,
      [job.name, shard],
    );
    const instant = (cell: unknown) => (cell === null ? 0 : (zone.fromText(String(cell)) ?? 0));
    // One that has not ended keeps the others out: that is told elsewhere.
    const at = ([, started, ended, isOpen]: (typeof rows)[number]) =>
      Number(isOpen) === 1 ? Date.now() : Math.max(instant(started), instant(ended));
    shards.push({ name, last: new Map(rows.map((row) => [String(row[0]), at(row)])) });
  }
  return shards;
}

const kinds = { '--sweep': 'sweep', '--repair': 'repair', '--full': 'full' } as const;

const kindOf = ({ options }: ScheduledRun): string =>
  Object.entries(kinds).find(([option]) => options.includes(option))?.[1] ?? 'windows';

function late(
  job: Job,
  schedule: string,
  shards: readonly { readonly name: ShardName; readonly last: Last }[],
  wanted: readonly string[],
  due: Instant,
  zone: Zone,
): Finding[] {
  const lastOf = (last: Last) => Math.max(0, ...wanted.map((kind) => last.get(kind) ?? 0));
  const lateOnes = shards.filter(({ last }) => lastOf(last) < due);
  const first = lateOnes[0];
  if (first === undefined) return [];
  const what = `${job.name}${wanted.includes('windows') ? '' : ` --${wanted[0]}`}`;
  const which =
    lateOnes.length === shards.length ? '' : ` (shards ${lateOnes.map(({ name }) => name.shard).join(', ')})`;
  const latest = Math.max(...lateOnes.map(({ last }) => lastOf(last)));
  const says = latest === 0 ? 'has never been started' : `was last at work at ${zone.iso(latest)}`;
  const shard = lateOnes.length === shards.length ? '' : ` ${lateOnes.map(({ name }) => name.shard).join(' ')}`;
  const options = wanted.includes('windows') ? '' : ` --${wanted[0]}`;
  return [
    doubtful(
      `${what}${which} ${says}, and its schedule is ${schedule}`,
      latest === 0
        ? 'it is new, or its line is missing where the schedule is'
        : 'cron does not run, its line is missing, or it fails before it begins',
      `tidemark run ${job.name}${shard}${options}`,
    ),
  ];
}
