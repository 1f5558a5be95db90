/** Clocks and zones: of this host, of the servers, and of the rows. */
import { readCheckpoint, refuseClockBehind } from '../engine/checkpoint.ts';
import { isTableJob, shardNames } from '../engine/job.ts';
import { Source } from '../engine/source.ts';
import { describeSource } from '../engine/source-table.ts';
import { checkSourceZone } from '../engine/source-zone.ts';
import { silentLog } from '../platform/log.ts';
import type { DatabaseName } from '../platform/settings.ts';
import { broken, type Check, doubtful, type Finding, fine, notLookedAt } from './check.ts';
import { folded, Notes } from './notes.ts';
import { jobsInUse, type Patient, placesOf } from './patient.ts';
import { title } from './servers.ts';

/** Clocks that go by NTP differ by far less. */
const apartMs = 2000;
/** Payment providers refuse a request whose time is five minutes off. */
const farApartMs = 300_000;

export const timeChecks = (patient: Patient): Check[] => [
  ...placesOf(patient).map(({ names }): Check => {
    const name = names[0] as DatabaseName;
    return {
      group: 'time',
      about: `the clock of ${title({ names })}`,
      needs: [name],
      async look(access) {
        const session = await access.session(name);
        const before = Date.now();
        const [row] = await session.tuples('SELECT UNIX_TIMESTAMP(NOW(6)) * 1000');
        return [clock(title({ names }), Number(row?.[0]), before, Date.now())];
      },
    };
  }),
  {
    group: 'time',
    about: 'the clock of Redis',
    needs: ['redis'],
    async look(access) {
      const redis = await access.redis();
      const before = Date.now();
      const { now } = await redis.examine();
      return [clock('Redis', now, before, Date.now())];
    },
  },
  ...zones(patient),
];

/** What of a difference cannot be the time that question and answer took. */
export function clock(whose: string, now: number, before: number, after: number): Finding {
  const apart = now < before ? before - now : now > after ? now - after : 0;
  if (apart < apartMs) return fine(`the clock of ${whose} agrees with this host's`);
  const says = `the clock of ${whose} is ${apart < 120_000 ? `${Math.round(apart / 1000)} s` : `${Math.round(apart / 60_000)} min`} ${now < before ? 'behind' : 'ahead of'} this host's`;
  const next = ['timedatectl set-ntp true, on the host whose clock is wrong'];
  if (apart < farApartMs)
    return doubtful(says, 'histories and logs of several hosts cannot be compared, and lag is told wrongly', ...next);
  return broken(says, 'rows are stamped at the wrong time, and payment providers refuse requests', ...next);
}

/** The rows of each source table beside the business zone, and its clock beside what checkpoints have seen of it. */
const zones = (patient: Patient): Check[] =>
  jobsInUse(patient)
    .filter(isTableJob)
    .map((job) => ({
      group: 'time',
      about: `the zone of the rows of ${job.name}`,
      needs: ['source', job.target],
      async look(access) {
        const { zone } = patient;
        const [session, target] = await Promise.all([access.session('source'), access.session(job.target)]);
        const found: { table: string; finding: Finding }[] = [];
        let looked = 0;
        for (const shard of shardNames(job)) {
          const notes = new Notes('rows that are stamped in another zone would be missed, or come late');
          // What is wrong with a table is told where tables are; without an index its youngest row takes too long to find.
          const table = await describeSource(session, job, shard, silentLog).catch(() => null);
          if (table?.indexes.some(({ columns }) => columns[0] === job.source.time) !== true) continue;
          looked += 1;
          await notes.tried(() => checkSourceZone(session, new Source(table, job.source, zone), zone, notes.log));
          await notes.tried(async () => {
            const [row] = await session.tuples('SELECT UNIX_TIMESTAMP(NOW(6)) * 1000');
            const name = { job: job.name, shard };
            const checkpoint = await readCheckpoint(target, name, zone);
            await refuseClockBehind(target, name, checkpoint, Number(row?.[0]), zone);
          });
          for (const finding of notes.findings) found.push({ table: table.name, finding });
        }
        const all = folded(found);
        if (all.length > 0) return all;
        if (looked === 0)
          return [notLookedAt(`the zone of the rows of ${job.name}`, 'there is no table with an index on its time')];
        return [fine(`the rows of ${job.name} are stamped in ${zone.name}, as far as can be told`)];
      },
    }));
