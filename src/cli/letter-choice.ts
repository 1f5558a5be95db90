/**
 * Which dead letters a person means: by their ids, by their job, by what they have in common; or all of them, where that
 * is said. Each database that jobs write has letters, and ids, of its own.
 */
import { systemClock } from '../engine/clock.ts';
import { type DeadLetter, findLetters, type LetterFilter, placesOfLetters } from '../engine/dead-letters.ts';
import type { Job } from '../engine/job.ts';
import { UsageError } from '../platform/errors.ts';
import { type App, findJob, findShards, inEachTarget, type Surroundings } from './app.ts';

export interface ChoiceOptions {
  readonly job?: string;
  readonly shard?: string;
  readonly olderThan?: number;
  readonly repairs?: number;
}

export interface Choice {
  readonly filter: LetterFilter;
  /** Whose databases are looked into. */
  readonly jobs: readonly Job[];
  /** A job was named, so its database must be there. */
  readonly isNamed: boolean;
  /** Nothing was said that leaves letters out. */
  readonly isEverything: boolean;
}

/**
 * @param words ids, and the name of a job
 * @param reason a part of the letters' own reason
 * @throws UsageError for a job or shard that is none, and for two jobs
 */
export function choiceOf(
  app: App,
  words: readonly string[],
  options: ChoiceOptions,
  reason: string | undefined,
): Choice {
  const isId = (word: string) => /^\d{1,15}$/.test(word);
  const names = new Set([...words.filter((word) => !isId(word)), ...(options.job === undefined ? [] : [options.job])]);
  const [name, other] = names;
  const job = name === undefined ? undefined : findJob(app, name);
  if (job !== undefined && other !== undefined)
    throw new UsageError(`${job.name} and ${findJob(app, other).name} are two jobs: name one, or none for all`);
  const ids = words.filter(isId).map(Number);
  const { shard, olderThan, repairs } = options;
  if (shard !== undefined) assertShard(app, job, shard);
  if (reason?.trim() === '')
    throw new UsageError('the text that their reason is to hold is empty: every letter has it');
  const filter: LetterFilter = {
    ...(ids.length === 0 ? {} : { ids }),
    ...(job === undefined ? {} : { job: job.name }),
    ...(shard === undefined ? {} : { shard }),
    ...(reason === undefined ? {} : { reason }),
    ...(olderThan === undefined ? {} : { before: systemClock.now() - olderThan }),
    ...(repairs === undefined ? {} : { repairsMin: repairs }),
  };
  return {
    filter,
    jobs: job === undefined ? app.jobs : [job],
    isNamed: job !== undefined,
    isEverything: Object.keys(filter).length === 0,
  };
}

function assertShard(app: App, job: Job | undefined, shard: string): void {
  if (job !== undefined) findShards(job, [shard]);
  else if (!app.jobs.some(({ shards }) => shards.includes(shard)))
    throw new UsageError(`no job has a shard "${shard}"`, 'tidemark list');
}

/** The letters that are meant, with what they hold: the first of each database. */
export async function chosenLetters(
  surroundings: Surroundings,
  { filter, jobs, isNamed }: Choice,
  limit: number,
): Promise<DeadLetter[]> {
  const { zone } = surroundings;
  const found = await inEachTarget(surroundings, jobs, isNamed, (_, session) =>
    findLetters(session, filter, limit, zone),
  );
  assertFound(
    filter,
    found.flat().map(({ id }) => id),
  );
  return found.flat();
}

/** Where a letter is. */
export interface Place {
  readonly id: number;
  readonly job: string;
  readonly shard: string;
  readonly target: Job['target'];
}

/**
 * All letters that are meant and are open.
 *
 * @throws UsageError for an id that no letter has, and for one that two have
 */
export async function openPlaces(surroundings: Surroundings, choice: Choice, command: string): Promise<Place[]> {
  const { filter, jobs, isNamed } = choice;
  const { zone } = surroundings;
  const found = await inEachTarget(surroundings, jobs, isNamed, async ([job], session) => {
    const { ids, job: name } = filter;
    const named = { ids: ids ?? [], ...(name === undefined ? {} : { job: name }) };
    const known = ids === undefined ? [] : await placesOfLetters(session, named, zone);
    const open = await placesOfLetters(session, { ...filter, state: 'open' }, zone);
    const target = (job as Job).target;
    return { known: known.map(({ id }) => id), open: open.map((place) => ({ ...place, target })) };
  });
  assertFound(
    filter,
    found.flatMap(({ known }) => known),
  );
  const places = found.flatMap(({ open }) => open);
  const seen = new Map<number, Place>();
  for (const place of filter.ids === undefined ? [] : places) {
    const twin = seen.get(place.id);
    if (twin !== undefined)
      throw new UsageError(
        `there are two dead letters ${place.id}, of ${twin.job} and of ${place.job}: say which`,
        `${command} ${twin.job} ${place.id}`,
      );
    seen.set(place.id, place);
  }
  return places;
}

function assertFound({ ids = [] }: LetterFilter, found: readonly number[]): void {
  const missing = ids.find((id) => !found.includes(id));
  if (missing !== undefined)
    throw new UsageError(`there is no dead letter ${missing}`, 'tidemark dead-letters list --all');
}
