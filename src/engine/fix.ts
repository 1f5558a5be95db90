/**
 * Applying the differences of a comparison to one shard, like a run: under the shard's lock, in transactions that take
 * the checkpoint row first, recorded in the history of runs. The checkpoint stays.
 *
 * Each transaction judges its rows anew, as source and target are then, so what is interrupted is simply asked for again.
 */

import { titleOf } from './checkpoint.ts';
import type { Claim } from './claim.ts';
import type { Difference } from './compared.ts';
import { describeShards, dueBy } from './comparison.ts';
import type { tableIntake } from './intake.ts';
import type { TableJob } from './job.ts';
import { addCounts, type Counts, noCounts } from './journal.ts';
import { intakeOptions, openIntake, takeClaim } from './opening.ts';
import { pausedErrorOf } from './pause.ts';
import { emptyResult, type Setting, targetOf } from './run.ts';
import { beginRun, endRun } from './runs.ts';

const rowsPerTransaction = 500;

export interface Fixed extends Counts {
  deleted: number;
}

/** What a fix of several shards has done. */
export function addFixed(sum: Fixed, more: Fixed): void {
  addCounts(sum, more);
  sum.deleted += more.deleted;
}

export const nothingFixed = (): Fixed => ({ ...noCounts(), deleted: 0 });

/**
 * Applies differences under the lock of one shard, and waits for that lock; rows that are only in the target may be
 * given to any.
 *
 * @throws what a run of the shard would fail with; what was committed until then stays
 */
export async function fixShard(
  job: TableJob,
  shard: string,
  differences: readonly Difference[],
  runId: string,
  setting: Setting,
): Promise<Fixed> {
  const name = { job: job.name, shard };
  const { clock, zone, halt, onStep } = setting;
  const claim = await takeClaim(job, shard, setting, { dryRun: false, waitForLock: true });
  const fixed = nothingFixed();
  if (claim === null) return fixed; // asked to stop while it waited
  try {
    await onStep('locked');
    const sequence = await beginRun(claim.target, name, { runId, kind: 'fix', now: clock.now() }, zone);
    if (sequence === null) throw await pausedErrorOf(claim.target, name, zone);
    claim.sequence = sequence;
    const failure = await mendAll(job, shard, differences, runId, setting, claim, fixed).then(
      () => null,
      (error: unknown) => error,
    );
    const error = failure === null ? null : failure instanceof Error ? failure.message : String(failure);
    const outcome = error === null ? (halt.soon.aborted ? 'interrupted' : 'done') : 'failed';
    if (!claim.target.lost)
      await endRun(claim.target, sequence, { outcome, windows: 0, counts: fixed, error, now: clock.now() }, zone);
    if (failure !== null) throw failure;
    return fixed;
  } finally {
    await claim.release();
  }
}

async function mendAll(
  job: TableJob,
  shard: string,
  differences: readonly Difference[],
  runId: string,
  setting: Setting,
  claim: Claim,
  fixed: Fixed,
): Promise<void> {
  const name = { job: job.name, shard };
  const log = setting.log.with({ runId, job: job.name, shard });
  const options = intakeOptions(name, runId, setting, claim, emptyResult(shard), log);
  const intake = (await claim.retried(() => openIntake(job, options, setting))) as ReturnType<typeof tableIntake>;
  const { shards, instantOf } = await claim.retried(async () =>
    describeShards(job, claim.target, await claim.source(), setting),
  );
  for (let from = 0; from < differences.length && !setting.halt.soon.aborted; from += rowsPerTransaction) {
    const share = differences.slice(from, from + rowsPerTransaction);
    const keysOf = (isWanted: (one: Difference) => boolean) => share.filter(isWanted).map(({ key }) => key);
    const mended = await claim.transaction(async (position, session, isPaused) => {
      claim.assertWanted();
      if (isPaused) throw await pausedErrorOf(session, name, setting.zone);
      const target = targetOf(session, false);
      const mended = await job.mend?.({
        shard,
        shards,
        source: await claim.source(),
        target,
        copy: keysOf(({ kind }) => kind === 'missing in target' || kind === 'different'),
        remove: keysOf(({ kind }) => kind === 'only in target'),
        due: (owner, time) => dueBy(position, instantOf(owner, time)),
        apply: async (keys, mode) =>
          keys.length === 0 ? noCounts() : (await intake.repair(keys, target, mode)).counts,
      });
      await setting.onStep('applied');
      return mended ?? nothingFixed();
    });
    addFixed(fixed, mended);
    log.info('differences applied', { of: titleOf(name), ...mended });
  }
}
