/**
 * Work behind the checkpoint: a range once more, closed windows swept, everything from the data, dead letters repaired.
 *
 * Each transaction takes the checkpoint row first, like a window's, and the checkpoint stays. Nothing can be in flight
 * there, and effects are functions of the data, so what is interrupted is simply asked for again.
 */
import { UsageError } from '../platform/errors.ts';
import { type ShardName, titleOf } from './checkpoint.ts';
import { openLetterKeys } from './dead-letters.ts';
import type { Taken, tableIntake } from './intake.ts';
import { addCounts } from './journal.ts';
import { type Run, targetOf } from './run.ts';
import { nextWindow, type Window } from './window.ts';
import type { Instant, Zone } from './zone.ts';

const lettersPerTransaction = 500;

/** Applies time that is behind the checkpoint again; the checkpoint stays. */
export async function applyAgain(run: Run, range: Window): Promise<void> {
  const { hold, intake, request, setting, result, name } = run;
  let start = range.start;
  let resume: string | null = null;
  let window: Window | null = null;
  if (result.from === null || range.start < result.from) result.from = range.start;
  while (start < range.end && !setting.halt.soon.aborted) {
    const taken: Taken = await hold.transaction(async (position, session) => {
      if (position === null || range.end > position) throw beyondCheckpoint(name, range, position, setting.zone);
      const rest = { start, end: range.end };
      window ??= nextWindow(start, range.end, await intake.cut(rest)) ?? rest;
      return intake.take(
        { window, resume, mode: 'again', scope: 'all', first: false },
        targetOf(session, request.dryRun),
      );
    });
    addCounts(result, taken.counts);
    resume = taken.resume;
    if (resume !== null) continue;
    start = taken.window.end;
    window = null;
    result.windows += 1;
  }
  result.to = Math.max(result.to ?? start, start);
  result.outcome = 'done';
}

function beyondCheckpoint(name: ShardName, range: Window, position: Instant | null, zone: Zone): UsageError {
  const where = position === null ? 'it has none yet' : `which is ${zone.iso(position)}`;
  return new UsageError(
    `--to ${zone.iso(range.end)} lies beyond the checkpoint of ${titleOf(name)}, ${where}: only what was applied can be run again`,
    `tidemark run ${titleOf(name)}`,
  );
}

/** Works off the shard's open dead letters: each row is applied as the source holds it now. */
export async function repairLetters(run: Run): Promise<void> {
  const { hold, intake, request, result, name } = run;
  const repair = (intake as Partial<ReturnType<typeof tableIntake>>).repair;
  const keys = await openLetterKeys(hold.target, name);
  if (repair === undefined || keys.length === 0) return;
  for (let from = 0; from < keys.length && !run.setting.halt.soon.aborted; from += lettersPerTransaction) {
    const share = keys.slice(from, from + lettersPerTransaction);
    const { counts } = await hold.transaction((_, session) => repair(share, targetOf(session, request.dryRun)));
    addCounts(result, counts);
  }
  result.outcome = 'done';
}
