import {
  drain,
  forgetEntries,
  hasPending,
  lastUserOf,
  oldestHour,
  recompute,
  type Tally,
} from '../src/commission/income.ts';
import { defineJob, type Finding, type FollowingContext, type Part } from '../src/engine/job.ts';

const hourMs = 3_600_000;

/** Each user's effective commission by the hour, and in total; follows all ten shards of the commission log. */
export const rollupIncome = defineJob({
  name: 'rollup-income',
  summary: 'rolls effective commission up by user and hour',
  shards: [],
  schedule: '20 * * * *',
  why: 'Income of the hours that are over. It goes as far as the slowest of the ten shards, so it needs no exact moment; at minute 20 the shards are well past the hour.',
  also: [
    {
      schedule: '30 3 * * *',
      options: ['--full', '--if-locked', 'wait', '--timeout', '2h'],
      why: 'Income, all of it, from the commission alone. Readers see no change when all is well; what was wrong is put right and told.',
    },
  ],
  target: 'main',
  follows: 'sync-commission-log',
  rangeUnit: 'hour',
  tellsDifferences: true,
  async oldest(target, zone) {
    const hour = await oldestHour(target);
    return hour === null ? null : zone.fromText(hour);
  },
  pending: (target, until, zone) => hasPending(target, zone.hourText(until)),
  apply: (context) => (context.scope === 'all' ? applyAll(context) : applyChanges(context)),
});

const partOf = (tally: Tally, resume: string | null): Part => ({ counts: { ...tally, deadLetters: 0 }, resume });

async function applyChanges({ window, zone, target, rowLimit, progress }: FollowingContext): Promise<Part> {
  const { tally, more } = await drain(target, zone.hourText(window.end), rowLimit);
  progress(tally.read);
  // In a dry run nothing leaves the log: one look is all there is to see.
  return partOf(tally, more && !target.dryRun ? 'more' : null);
}

/** Where the parts of a full computation stand: the log cleared (a first run only), then users up to one. */
const clearing = 'clearing';

/** All cells of the window's complete hours; the users in shares of one transaction each. */
async function applyAll(context: FollowingContext): Promise<Part> {
  const { window, zone, target, resume, rowLimit, first, finding, progress } = context;
  const hours = { from: zone.hourText(window.start), to: zone.hourText(window.end) };
  if (first && !target.dryRun && (resume === null || resume === clearing)) {
    const more = await forgetEntries(target, hours.to, rowLimit);
    return partOf({ read: 0, inserted: 0, updated: 0, unchanged: 0 }, more ? clearing : '');
  }
  const after = resume === null || resume === '' ? null : resume;
  const upTo = await lastUserOf(target, after, rowLimit);
  const { tally, differences, wrongTotals } = await recompute(target, { ...hours, after, upTo });
  for (const { user, hour, was, is, pending } of differences) {
    if (first || pending) continue;
    const what = `income of user ${user} in the hour ${hour}`;
    finding({ what, was: inWords(was), is: inWords(is), ...rangeOf(hour, zone) });
  }
  for (const { user, was, is } of wrongTotals)
    finding({ what: `total income of user ${user}`, was: inWords(was), is: inWords(is) });
  progress(tally.read);
  return partOf(tally, upTo);
}

/** An hour by its name; one that the clocks repeat is twice as long. */
function rangeOf(hour: string, zone: FollowingContext['zone']): Pick<Finding, 'range'> {
  const from = zone.fromText(hour);
  if (from === null) return {};
  let to = from + hourMs;
  while (zone.hourText(to) === hour) to += hourMs;
  return { range: { from: zone.iso(from), to: zone.iso(zone.hour(to)) } };
}

const inWords = ({ amount, entries }: { amount: bigint; entries: bigint }) =>
  `${amount} fen in ${entries} ${entries === 1n ? 'entry' : 'entries'}`;
