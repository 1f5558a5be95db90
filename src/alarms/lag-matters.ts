/** How far behind a shard is, whether its copy in Redis runs ahead of it, and what holds its watermark back. */
import { readCheckpoint, type ShardName, titleOf } from '../engine/checkpoint.ts';
import type { CheckpointCopies } from '../engine/checkpoint-copy.ts';
import { type DueThings, isPeriodJob, isTableJob, type WindowJob } from '../engine/job.ts';
import type { Holder, Watermark } from '../engine/watermark.ts';
import type { Instant, Zone } from '../engine/zone.ts';
import type { Session } from '../platform/mysql.ts';
import type { Deadlines } from '../schedule/deadline.ts';
import { keyOf, type Matter, shardKey, timeText } from './matter.ts';

export interface LagQuestion {
  readonly job: WindowJob;
  readonly shard: string;
  readonly checkpoint: Instant;
  readonly zone: Zone;
  readonly now: Instant;
}

/** Since when something waits to be taken: the checkpoint, or the end of the day or month behind it. */
const waitsSince = ({ job, checkpoint, zone }: LagQuestion): Instant =>
  isPeriodJob(job) ? zone.nextPeriod(job.period, checkpoint) : checkpoint;

/** The shard is behind by more than its job may be. */
export function lagMatter(question: LagQuestion, deadlines: Deadlines): Matter | null {
  const { job, shard, checkpoint, zone } = question;
  const since = waitsSince(question);
  if (since >= deadlines.lag) return null;
  const name = { job: job.name, shard };
  return {
    key: shardKey('behind', name),
    gravity: 'critical',
    of: name,
    since,
    what: `behind, its checkpoint is ${zone.text(checkpoint)}`,
    next: `tidemark status ${job.name}`,
    cause: null,
  };
}

/** Things of a job without windows are due for longer than they may be. */
export function dueMatter(
  job: string,
  due: readonly DueThings[],
  { lag }: Deadlines,
  { now, zone }: Pick<LagQuestion, 'now' | 'zone'>,
): Matter | null {
  const late = due.filter(({ oldest }) => oldest !== null && oldest < lag);
  if (late.length === 0) return null;
  const since = Math.min(...late.map(({ oldest }) => oldest as Instant));
  const told = late.map(({ kind, count }) => `${count} ${kind}`).join(', ');
  return {
    key: keyOf('behind', job),
    gravity: 'critical',
    of: { job, shard: '' },
    since,
    what: `${told} due, the oldest since ${timeText(since, now, zone)}`,
    next: `tidemark status ${job}`,
    cause: null,
  };
}

/** The shard waits for so long already that what holds it back, if anything does, is worth a look. */
export const mayBeHeld = (question: LagQuestion, heldMaxMs: number): boolean =>
  question.now - waitsSince(question) > heldMaxMs;

/** A statement or transaction has held the watermark back for too long; null when none has. */
export function heldMatter(
  { job, now, zone, checkpoint }: LagQuestion,
  { heldBackBy }: Watermark,
  heldMaxMs: number,
): Matter | null {
  if (heldBackBy?.kind !== 'statement' && heldBackBy?.kind !== 'transaction') return null;
  const { thread, ageSeconds, statement, detail } = heldBackBy as Holder;
  if (thread === null || (ageSeconds !== null && ageSeconds * 1000 < heldMaxMs)) return null;
  const where = isTableJob(job) ? 'source' : job.target;
  const doing = statement === null ? 'it is idle' : statement.replace(/\s+/g, ' ');
  return {
    key: keyOf('held', where),
    gravity: 'critical',
    of: null,
    since: ageSeconds === null ? null : now - ageSeconds * 1000,
    what: `${detail} on the ${where} database, so nothing behind ${timeText(checkpoint, now, zone)} can be taken: ${doing}`,
    next: `KILL ${thread} on the ${where} database, if it was forgotten: its changes are rolled back`,
    cause: null,
  };
}

/** Redis tells others a checkpoint that was never reached; null also when it does not answer. */
export async function copyMatter(
  name: ShardName,
  checkpoint: Instant | null,
  copies: CheckpointCopies,
  { session, zone }: { readonly session: Session; readonly zone: Zone },
): Promise<Matter | null> {
  let current = checkpoint;
  const copy = await copies.look(name, checkpoint, async () => {
    current = await readCheckpoint(session, name, zone);
    return current;
  });
  if (copy.state !== 'ahead' || copy.at === null) return null;
  const title = titleOf(name);
  return {
    key: shardKey('redis', name),
    gravity: 'warning',
    of: name,
    since: null,
    what: `Redis says ${zone.text(copy.at)}, ahead of the database, which ${current === null ? 'has no checkpoint' : `says ${zone.text(current)}`}`,
    next: current === null ? `tidemark checkpoint ${title} --set ${zone.iso(copy.at)}` : `tidemark run ${title}`,
    cause: null,
  };
}
