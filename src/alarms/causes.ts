/** Which matter follows from which: a shard is behind because its runs fail, and they fail because the source is gone. */
import type { ShardName } from '../engine/checkpoint.ts';
import { isDueJob, isFollowingJob, isPeriodJob, isTableJob, type Job, readsFrom } from '../engine/job.ts';
import { type Kind, keyOf, kindOf, type Matter, shardKey } from './matter.ts';

/** The matters, each with the one that it follows from in the end. */
export function withCauses(matters: readonly Matter[], jobs: readonly Job[]): Matter[] {
  const found = new Map(matters.map((matter) => [matter.key, matter]));
  const direct = new Map(matters.map((matter) => [matter.key, causeOf(matter, found, jobs)]));
  const root = (key: string): string => {
    const cause = direct.get(key) ?? null;
    return cause === null ? key : root(cause);
  };
  return matters.map((matter) => {
    const cause = root(matter.key);
    return { ...matter, cause: cause === matter.key ? null : cause };
  });
}

function causeOf({ key, of }: Matter, found: ReadonlyMap<string, Matter>, jobs: readonly Job[]): string | null {
  const job = jobs.find(({ name }) => name === of?.job);
  if (of === null || job === undefined) return null;
  return candidates(kindOf(key), of, job, { found, jobs }).find((cause) => found.has(cause)) ?? null;
}

/** What a matter of this kind may follow from, the deepest first. */
function candidates(
  kind: string,
  of: ShardName,
  job: Job,
  { found, jobs }: { readonly found: ReadonlyMap<string, Matter>; readonly jobs: readonly Job[] },
): string[] {
  if (kind === 'missing') return [shardKey('stuck', of)];
  if (kind === 'stuck' || kind.startsWith('failing')) return serversOf(job, jobs);
  if (kind !== 'behind') return [];
  const held = keyOf('held', isTableJob(job) ? 'source' : job.target);
  return [...serversOf(job, jobs), held, ...standingStill.map((one) => shardKey(one, of)), ...upstream(job, found)];
}

const standingStill: readonly Kind[] = ['stuck', 'missing', 'failing'];

function serversOf(job: Job, jobs: readonly Job[]): string[] {
  const names: string[] = [readsFrom(job, jobs), job.target];
  return [...names, ...(isDueJob(job) ? ['redis'] : [])].map((name) => keyOf('unreachable', name));
}

/** What keeps the job back that this one follows. */
function upstream(job: Job, found: ReadonlyMap<string, Matter>): string[] {
  const follows = isFollowingJob(job) || isPeriodJob(job) ? job.follows : undefined;
  if (follows === undefined) return [];
  const kinds: readonly string[] = [...standingStill, 'behind'];
  return [...found.values()]
    .filter(({ of, key }) => of?.job === follows && kinds.includes(kindOf(key)))
    .map(({ key }) => key);
}
