/**
 * Work behind the checkpoint: a range once more, closed windows swept, everything from the data, dead letters repaired.
 *
 * Each transaction takes the checkpoint row first, like a window's, and the checkpoint stays. Nothing can be in flight
 * there, and effects are functions of the data, so what is interrupted is simply asked for again.
 */
import { UsageError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { type ShardName, titleOf } from './checkpoint.ts';
import { countRepair, openLetterKeys, stillOpen } from './dead-letters.ts';
import type { Taken } from './intake.ts';
import { addCounts, type Counts, type KeptWindow, keepDigest, noCounts, windowsFrom } from './journal.ts';
import { addTotals, endsDryRun, type Run, targetOf } from './run.ts';
import { type Digest, isSameDigest } from './source.ts';
import { nextWindow, type Window } from './window.ts';
import type { Instant, Zone } from './zone.ts';

const lettersPerTransaction = 500;
const windowsPerLook = 50;

/** Applies time that is behind the checkpoint again; the checkpoint stays. */
export async function applyAgain(run: Run, range: Window): Promise<void> {
  const { claim, intake, setting, result } = run;
  if (result.from === null || range.start < result.from) result.from = range.start;
  let start = range.start;
  while (start < range.end && result.windows < run.request.maxWindows && !setting.halt.soon.aborted) {
    const rest = { start, end: range.end };
    const window = await claim.retried(async () => nextWindow(start, range.end, await intake.cut(rest)) ?? rest);
    const counts = await takeAgain(run, window, range, 'again');
    if (counts === null) break;
    start = window.end;
    if (endsDryRun(run, window, counts)) break;
  }
  result.to = Math.max(result.to ?? start, start);
  if (result.outcome !== 'paused') result.outcome = 'done';
}

/**
 * Applies one closed window again, in as many transactions as it takes.
 *
 * @param noted called in the last of them
 * @returns what was done; null when the run was asked to stop, or the shard was paused, before the window's end
 */
async function takeAgain(
  run: Run,
  window: Window,
  range: Window,
  mode: 'again' | 'sweep',
  noted: (session: Session) => Promise<void> = async () => undefined,
): Promise<Counts | null> {
  const { claim, intake, request, setting, result, name } = run;
  const counts = noCounts();
  let resume: string | null = null;
  do {
    if (setting.halt.soon.aborted) return null;
    const taken: Taken | null = await claim.transaction(async (position, session, isPaused) => {
      if (isPaused) return null;
      if (intake.rangeMayLead !== true && (position === null || range.end > position))
        throw beyondCheckpoint(name, range, position, setting.zone);
      const take = { window, resume, mode, scope: 'all', first: false } as const;
      const part = await intake.take(take, targetOf(session, request.dryRun));
      if (part.resume === null && !request.dryRun) await noted(session);
      return part;
    });
    if (taken === null) {
      result.outcome = 'paused';
      return null;
    }
    addCounts(counts, taken.counts);
    addCounts(result, taken.counts);
    addTotals(result, taken);
    resume = taken.resume;
  } while (resume !== null);
  result.windows += 1;
  return counts;
}

/**
 * Reads the closed windows that reach behind `from` again, and applies those that hold other rows than they did.
 *
 * Rows leave a window whenever they are written again, which is no fault; what makes a finding is a row that had to be
 * written: it was stamped behind the checkpoint, by an application's clock or a clock that stepped back.
 */
export async function sweep(run: Run, from: Instant): Promise<void> {
  const { claim, intake, setting, result, name } = run;
  result.outcome = 'done';
  for (let start = from; !setting.halt.soon.aborted; ) {
    const kept = await claim.retried(() => windowsFrom(claim.target, name, start, windowsPerLook, setting.zone));
    const last = kept.at(-1);
    if (last === undefined) break;
    const digests = (await claim.retried(() => intake.digests(kept.map(({ window }) => window)))) ?? [];
    for (const [index, digest] of digests.entries()) {
      if (result.windows >= run.request.maxWindows || setting.halt.soon.aborted) return;
      const before = kept[index] as KeptWindow;
      const isSame = before.digest !== null && isSameDigest(before.digest, digest);
      if (!isSame && !(await sweepWindow(run, before, digest))) return;
    }
    result.from ??= kept[0]?.window.start ?? null;
    result.to = last.window.end;
    start = last.window.end;
  }
}

/** @returns whether there may be another */
async function sweepWindow(run: Run, { window, digest: before }: KeptWindow, digest: Digest): Promise<boolean> {
  const { name, setting, result, log } = run;
  const { zone } = setting;
  // What was read before the transaction is noted in it: a row that comes in between makes the next sweep look again.
  const counts = await takeAgain(run, window, window, 'sweep', (session) =>
    keepDigest(session, name, window, digest, zone),
  );
  if (counts === null) return false;
  if (counts.inserted + counts.updated === 0) return true;
  const finding = {
    what: `the closed window ${zone.iso(window.start)} to ${zone.iso(window.end)}`,
    was: before === null ? 'not looked at' : inWords(before),
    is: `${inWords(digest)}: ${counts.inserted} rows were missing, ${counts.updated} were others`,
  };
  result.findings.push(finding);
  log.info('found wrong', finding);
  return true;
}

const inWords = ({ rows, sum }: Digest): string => `${rows} rows${sum === null ? '' : ` with the sum ${sum}`}`;

function beyondCheckpoint(name: ShardName, range: Window, position: Instant | null, zone: Zone): UsageError {
  const where = position === null ? 'it has none yet' : `which is ${zone.iso(position)}`;
  return new UsageError(
    `--to ${zone.iso(range.end)} lies beyond the checkpoint of ${titleOf(name)}, ${where}: only what was applied can be run again`,
    `tidemark run ${titleOf(name)}`,
  );
}

/**
 * Works off open dead letters of the shard: each row is applied as the source holds it now. What is refused again has
 * failed one more repair.
 */
export async function repairLetters(run: Run): Promise<void> {
  const { claim, intake, request, result, name, runId } = run;
  const { repair } = intake;
  const keys = await claim.retried(() => openLetterKeys(claim.target, name, request.letters));
  if (repair === undefined || keys.length === 0) return;
  for (let from = 0; from < keys.length && !run.setting.halt.soon.aborted; from += lettersPerTransaction) {
    const chosen = keys.slice(from, from + lettersPerTransaction);
    const work = await claim.transaction(async (_, session, isPaused) => {
      if (isPaused) return null;
      // A person may have given some up since, under the checkpoint row as well: their rows are to stay out.
      const share = await stillOpen(session, name, chosen);
      if (share.length === 0) return { counts: noCounts(), resume: null };
      const done = await repair(share, targetOf(session, request.dryRun));
      if (!request.dryRun) await countRepair(session, name, share, runId);
      return done;
    });
    result.outcome = work === null ? 'paused' : 'done';
    if (work === null) return;
    addCounts(result, work.counts);
    addTotals(result, work);
  }
}
