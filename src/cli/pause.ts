/** `tidemark pause` and `resume`: a person keeps a job, or a shard of it, from beginning anything new. */
import { readCheckpoint, type ShardName, titleOf } from '../engine/checkpoint.ts';
import { systemClock } from '../engine/clock.ts';
import { type DueJob, isDueJob, type Job, shardNames } from '../engine/job.ts';
import { heldLocks } from '../engine/lock.ts';
import { beginPause, endPause, type Pause, pauseText, readPauses } from '../engine/pause.ts';
import type { Zone } from '../engine/zone.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { type App, findJob, findShards, openSurroundings, type Surroundings, withSession } from './app.ts';
import { print, printJson, sentenceOf } from './output.ts';
import { operator, reasonOf } from './person.ts';
import { spanText } from './span.ts';

interface Options {
  readonly reason?: string;
  readonly json?: true;
}

export async function pause(app: App, jobName: string, shard: string | undefined, options: Options): Promise<number> {
  const { job, name } = nameOf(app, jobName, shard);
  const reason = reasonOf({ ...options, yes: true }, `tidemark pause ${titleOf(name)}`);
  const surroundings = openSurroundings();
  const { zone } = surroundings;
  await withSession(surroundings, job.target, async (session) => {
    const known = pausesOf(await readPauses(session, zone), name).find((one) => ['', name.shard].includes(one.shard));
    const isNew =
      known === undefined &&
      (await beginPause(session, { ...name, reason, who: operator('tidemark pause') }, systemClock.now(), zone));
    const now = pausesOf(await readPauses(session, zone), name);
    const own = known ?? now.find((one) => one.shard === name.shard);
    const busy = await busyShards(session, job, name);
    if (options.json) printJson({ ...asJson(name, own, zone), alreadyPaused: !isNew, busy });
    else tellPause(own, isNew, { busy, job, zone });
  });
  return exitCodes.done;
}

function tellPause(
  own: Pause | undefined,
  isNew: boolean,
  { busy, job, zone }: { readonly busy: readonly string[]; readonly job: Job; readonly zone: Zone },
): void {
  if (own === undefined) {
    print(`${job.name} was paused, and has been resumed by somebody meanwhile`);
    return;
  }
  print(isNew ? pauseText(own, zone) : `${pauseText(own, zone)}. That stays as it is`);
  if (busy.length > 0)
    print(`At work now, and ends with the window in hand: ${busy.join(', ')}. Next: tidemark status ${job.name}`);
  else if (isDueJob(job)) print('Runs under way begin nothing new from now on, and end within seconds.');
  else print('No run of it is under way.');
  print(`When it may go on: tidemark resume ${titleOf(own)}`);
}

export async function resume(
  app: App,
  jobName: string,
  shard: string | undefined,
  options: Pick<Options, 'json'>,
): Promise<number> {
  const { job, name } = nameOf(app, jobName, shard);
  const surroundings = openSurroundings();
  const { zone } = surroundings;
  await withSession(surroundings, job.target, async (session) => {
    const pauses = pausesOf(await readPauses(session, zone), { job: job.name, shard: '' });
    const whole = pauses.find((one) => one.shard === '');
    if (shard !== undefined && whole !== undefined)
      throw new UsageError(
        `shard ${shard} is kept by the whole job: ${pauseText(whole, zone)}`,
        `tidemark resume ${job.name}`,
      );
    const own = pauses.find((one) => one.shard === name.shard);
    const isEnded = await endPause(session, name);
    const others = pauses.filter((one) => one !== own && (shard === undefined || one.shard === shard));
    const goesOn = shardNames(job).filter((one) => !others.some((other) => other.shard === one));
    const concerned = shard === undefined ? goesOn : [shard];
    const due = isDueJob(job) ? await dueOf(job, surroundings) : await behind(session, job, concerned, zone);
    if (options.json)
      printJson({
        ...asJson(name, undefined, zone),
        wasPaused: isEnded,
        stillPaused: others.map((one) => one.shard),
        ...due,
      });
    else {
      print(isEnded ? `${titleOf(name)} goes on. ${due.says}` : `${titleOf(name)} is not paused. ${due.says}`);
      for (const one of others) print(`${pauseText(one, zone)}. Next: tidemark resume ${titleOf(one)}`);
      if (isEnded) print(`Its next run takes up what has gathered. Not to wait for it: tidemark run ${titleOf(name)}`);
    }
  });
  return exitCodes.done;
}

function nameOf(app: App, jobName: string, shard: string | undefined): { job: Job; name: ShardName } {
  const job = findJob(app, jobName);
  if (shard !== undefined) findShards(job, [shard]);
  return { job, name: { job: job.name, shard: shard ?? '' } };
}

/** Those of a job that keep this shard; of a job as a whole, all. */
function pausesOf(pauses: readonly Pause[], { job, shard }: ShardName): Pause[] {
  return pauses.filter((one) => one.job === job && (shard === '' || one.shard === '' || one.shard === shard));
}

/** Shards that a run is at work on. */
async function busyShards(session: Session, job: Job, name: ShardName): Promise<string[]> {
  if (isDueJob(job)) return [];
  const shards = name.shard === '' ? shardNames(job) : [name.shard];
  const names = shards.map((shard) => ({ job: job.name, shard }));
  return (await heldLocks(session, names)).map(titleOf);
}

interface Due {
  readonly says: string;
}

async function dueOf(job: DueJob, { config }: Surroundings): Promise<Due & { readonly due?: object }> {
  try {
    const due = await job.due({ setting: (setting) => config.get(setting) });
    const says = due.map(({ kind, count }) => `${count.toLocaleString('en-US')} ${kind}`).join(', ');
    return {
      says: `${says === '' ? 'Nothing is' : `${says} are`} due.`,
      due: due.map(({ kind, count }) => ({ kind, count })),
    };
  } catch (error) {
    return { says: `What is due cannot be told: ${sentenceOf(error)}` };
  }
}

/** The shard that is behind most. */
async function behind(
  session: Session,
  job: Job,
  shards: readonly string[],
  zone: Zone,
): Promise<Due & { readonly checkpoint: string | null; readonly lagSeconds: number | null }> {
  let last: { readonly name: ShardName; readonly at: number } | null = null;
  for (const shard of shards) {
    const name = { job: job.name, shard };
    const at = await readCheckpoint(session, name, zone);
    if (at === null)
      return { says: `${titleOf(name)} never ran: it begins at the oldest data.`, checkpoint: null, lagSeconds: null };
    if (last === null || at < last.at) last = { name, at };
  }
  if (last === null) return { says: 'All its shards are paused by themselves.', checkpoint: null, lagSeconds: null };
  const { name, at } = last;
  const lagMs = Math.max(0, systemClock.now() - at);
  const which = shards.length === 1 ? 'It' : `The last of its shards, ${name.shard},`;
  return {
    says: `${which} is at ${zone.text(at)}, ${spanText(lagMs)} behind.`,
    checkpoint: zone.iso(at),
    lagSeconds: Math.round(lagMs / 1000),
  };
}

function asJson({ job, shard }: ShardName, pause: Pause | undefined, zone: Zone) {
  const { reason = null, who = null, since = null } = pause ?? {};
  return {
    job,
    shard: shard || null,
    paused: pause !== undefined,
    ...(pause === undefined
      ? {}
      : { since: since === null ? null : zone.iso(since), who, reason, pausedShard: pause.shard || null }),
  };
}
