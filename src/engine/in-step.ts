/**
 * Checkpoint and journal side by side: every commit moves both, so the journal ends where the checkpoint is.
 *
 * Two exceptions are sound: a journal without windows (an adopted position, a first run that found no rows), and one
 * that ends earlier because a person has set the checkpoint forward, which leaves a gap that `verify` reports. Anything
 * else was not done by tidemark: going on could leave time out in silence, so nothing goes on.
 */
import { SetupError } from '../platform/errors.ts';
import type { Reader } from '../platform/mysql.ts';
import { type ShardName, titleOf } from './checkpoint.ts';
import type { Instant, Zone } from './zone.ts';

/**
 * The position of a shard, or null for one that never ran; read together with the journal's end, in one statement.
 *
 * @throws SetupError when the two contradict each other
 */
export async function readInStep(reader: Reader, name: ShardName, zone: Zone): Promise<Instant | null> {
  const { job, shard } = name;
  const [row] = await reader.tuples(
    `SELECT c.checkpoint, w.tail, EXISTS (SELECT 1 FROM tidemark_run r
              WHERE r.run_id = c.run_id AND r.job = ? AND r.shard = ? AND r.kind = 'checkpoint')
       FROM (SELECT MAX(window_end) tail FROM tidemark_window WHERE job = ? AND shard = ?) w
       LEFT JOIN tidemark_checkpoint c ON c.job = ? AND c.shard = ?`,
    [job, shard, job, shard, job, shard],
  );
  const instant = (text: unknown) => (text === null || text === undefined ? null : zone.fromText(String(text)));
  const checkpoint = instant(row?.[0]);
  const tail = instant(row?.[1]);
  const isSetByHand = String(row?.[2]) === '1';
  if (tail === null || checkpoint === tail) return checkpoint;
  if (checkpoint !== null && tail < checkpoint && isSetByHand) return checkpoint;
  const safe = checkpoint === null ? tail : Math.min(checkpoint, tail);
  throw new SetupError(
    `the checkpoint of ${titleOf(name)} ${checkpoint === null ? 'is gone' : `is ${zone.iso(checkpoint)}`}, and its journal ends at ${zone.iso(tail)}: something else than tidemark has changed one of them, and time could be left out`,
    `tidemark verify ${job}; then tidemark checkpoint ${titleOf(name)} --set ${zone.iso(safe)}, from where all is applied again`,
  );
}
