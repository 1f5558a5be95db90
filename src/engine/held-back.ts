/**
 * What keeps a run from going on: the open transaction behind rows in flight, named, and warned of when it stays open;
 * a stop that was asked for before its first window.
 */
import { type Run, targetOf } from './run.ts';
import { openTransaction } from './watermark.ts';
import { nextWindow } from './window.ts';

/**
 * Puts the oldest open transaction of the source into the result of a run that rows in flight have held back, and warns
 * when it has been open for longer than `setting.blockedWarningMs`. It costs a statement only then, and never a run.
 */
export async function nameHolder({ result, claim, log, setting }: Run): Promise<void> {
  if (result.heldBackBy?.kind !== 'transaction') return;
  const holder = await claim
    .source()
    .then(openTransaction)
    .catch(() => null);
  if (holder === null) return; // it has ended meanwhile
  result.heldBackBy = holder;
  const { thread, ageSeconds, statement, detail } = holder;
  if (ageSeconds === null || ageSeconds * 1000 < setting.blockedWarningMs) return;
  log.warn(
    `rows of the next window are not committed: ${detail}, ${statement === null ? 'and is idle' : `and runs ${statement}`}`,
    {
      thread,
      ageSeconds,
      statement,
      next: `KILL ${thread} on the source, if it was forgotten; its changes are rolled back`,
    },
  );
}

/** Notes what a run that was told to stop leaves: where it has begun no window at all, the next one may do no better. */
export async function noteLeft({ claim, intake, watermark, result, request }: Run): Promise<void> {
  if (result.windows > 0 || watermark.at === null) return;
  const start = result.checkpoint ?? Number.NEGATIVE_INFINITY; // a first run begins the tiling, data or not
  const isPending = () => intake.pending(targetOf(claim.target, request.dryRun), start);
  result.leftDue = nextWindow(start, watermark.at, null) !== null || (await claim.retried(isPending));
}
