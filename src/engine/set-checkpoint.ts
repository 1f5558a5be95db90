/** Setting a checkpoint by hand: adopting the position of an existing system, or going back. */
import type { Session } from '../platform/mysql.ts';
import { readCheckpoint, type ShardName } from './checkpoint.ts';
import { forgetFrom, noCounts } from './journal.ts';
import { beginByHand, endRun } from './runs.ts';
import type { Instant, Zone } from './zone.ts';

/**
 * Sets a shard's checkpoint, in one transaction with the journal.
 *
 * What the journal says of the time from there on is taken back: it will be applied again. Forwards, what is left out
 * stays visible in it as a gap. A run that is under way loses its place and stops. The caller holds the shard's lock.
 */
export async function setCheckpoint(
  session: Session,
  name: ShardName,
  set: { to: Instant; runId: string; now: Instant },
  zone: Zone,
): Promise<void> {
  const { to, runId, now } = set;
  await session.write('START TRANSACTION');
  try {
    await readCheckpoint(session, name, zone, true);
    const sequence = await beginByHand(session, name, { runId, kind: 'checkpoint', now }, zone);
    await forgetFrom(session, name, to, zone);
    await session.write(
      `INSERT INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at) VALUES (?, ?, ?, ?, ?)
       ON DUPLICATE KEY UPDATE checkpoint = VALUES(checkpoint), run_id = VALUES(run_id), moved_at = VALUES(moved_at), source_now = NULL`,
      [name.job, name.shard, zone.text(to), runId, zone.text(now)],
    );
    await endRun(session, sequence, { outcome: 'done', windows: 0, counts: noCounts(), error: null, now }, zone);
    await session.write('COMMIT');
  } catch (error) {
    await session.write('ROLLBACK').catch(() => session.destroy());
    throw error;
  }
}
