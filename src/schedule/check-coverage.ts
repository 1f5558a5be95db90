/** What should be started, and no line starts. */
import { shardNames } from '../engine/job.ts';
import { linesOf } from './crontab.ts';
import type { Crontab } from './crontab-lines.ts';
import type { CheckSetting, Finding, ScheduledLine } from './finding.ts';
import type { Entry } from './timetable.ts';

/** Several hosts may share the jobs: their crontabs, one behind the other, are checked as one. */
export function findGaps(crontab: Crontab, runs: readonly ScheduledLine[], setting: CheckSetting): Finding[] {
  return setting.entries.flatMap((entry) =>
    entry.job === null ? choreGap(entry, crontab, setting) : jobGap(entry, runs, setting),
  );
}

function jobGap(entry: Entry, runs: readonly ScheduledLine[], { install }: CheckSetting): Finding[] {
  const job = entry.job as NonNullable<Entry['job']>;
  const lines = runs.filter((run) => run.job === job && run.kind === entry.kind && run.line.times !== null);
  const missing = shardNames(job).filter((shard) => !lines.some(({ shards }) => shards.includes(shard)));
  if (missing.length === 0) return [];
  const isPlain = entry.kind === 'windows' || entry.kind === 'due';
  const weight = isPlain ? 'wrong' : 'doubtful';
  if (lines.length === 0)
    return [
      { line: null, text: null, weight, wrong: `no line starts ${entry.name}`, instead: linesOf(entry, install) },
    ];
  return missing.map((shard) => ({
    line: null,
    text: null,
    weight,
    wrong: `no line starts shard ${shard} of ${entry.name}`,
    instead: linesOf({ ...entry, shards: job.shards }, install, shard),
  }));
}

function choreGap(entry: Entry, { lines }: Crontab, { install, readCommand }: CheckSetting): Finding[] {
  const isThere = lines.some(({ starts }) => starts.some(({ words }) => readCommand(words).name === entry.name));
  if (isThere) return [];
  const wrong = `no line starts tidemark ${entry.name}`;
  return [{ line: null, text: null, weight: 'doubtful', wrong, instead: linesOf(entry, install) }];
}
