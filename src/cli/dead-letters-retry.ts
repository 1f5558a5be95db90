/**
 * `tidemark dead-letters retry`: applies the rows of open dead letters as the source holds them now.
 *
 * A job comes before the jobs that follow it. Where one lies between two with letters, it runs in its turn, so that what
 * the first has put right reaches the second.
 */
import { titleOf } from '../engine/checkpoint.ts';
import { placesOfLetters } from '../engine/dead-letters.ts';
import { isDueJob, isPeriodJob, isTableJob, type Job, shardNames } from '../engine/job.ts';
import { pauseOf, pauseText, readPauses } from '../engine/pause.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import { type App, openSurroundings, type Surroundings, withSession } from './app.ts';
import { type ChoiceOptions, choiceOf, openPlaces, type Place } from './letter-choice.ts';
import { askAbout } from './letter-question.ts';
import { gravest } from './one-run.ts';
import { counted, print, printJson } from './output.ts';
import { run } from './run.ts';

interface Options extends ChoiceOptions {
  readonly reason?: string;
  readonly all?: true;
  readonly yes?: true;
  readonly json?: true;
}

const command = 'tidemark dead-letters retry';
const timeLimitMs = 600_000;
const concurrency = 4;

export async function retry(app: App, words: readonly string[], options: Options): Promise<number> {
  const choice = choiceOf(app, words, options, options.reason);
  const surroundings = openSurroundings();
  const places = await openPlaces(surroundings, choice, command);
  const steps = stepsOf(app.jobs, places);
  if (places.length === 0) {
    // A script that reads results of runs gets one that has done nothing.
    if (options.json) printJson({ job: null, runId: null, outcome: 'nothing-due', durationMs: 0, shards: [] });
    else print(choice.isEverything ? 'no open dead letters' : 'no open dead letters among these');
    return exitCodes.done;
  }
  if (choice.isEverything && options.all !== true)
    throw new UsageError(
      `these would be all ${counted(places.length, 'open dead letter', 'open dead letters')}`,
      `${command} --all`,
    );
  if (options.yes !== true && !(await askAbout(surroundings, places, questionOf(steps, places)))) return exitCodes.done;
  if (!options.json) for (const text of leftOut(app.jobs, places)) print(text);
  const codes: number[] = [];
  for (const step of steps) {
    const code = await take(app, step, options);
    if (code === exitCodes.interrupted || code === exitCodes.terminated) return code;
    codes.push(code);
  }
  return gravest([...codes, await report(surroundings, places, options)]);
}

interface Step {
  readonly job: Job;
  /** What it is to repair; nothing for a job that lies between. */
  readonly places: readonly Place[];
}

/** The jobs that have letters, and those between them, each behind the ones that it follows. */
function stepsOf(jobs: readonly Job[], places: readonly Place[]): Step[] {
  const upstreamsOf = (job: Job): Job[] => {
    const upstream = 'follows' in job ? jobs.find(({ name }) => name === job.follows) : undefined;
    return upstream === undefined ? [] : [...upstreamsOf(upstream), upstream];
  };
  const own = (job: Job) => places.filter((place) => place.job === job.name && shardNames(job).includes(place.shard));
  const hasLetters = (job: Job) => own(job).length > 0 && canRepair(job);
  const repairing = jobs.filter(hasLetters);
  const isBetween = (job: Job) =>
    !isDueJob(job) && upstreamsOf(job).some(hasLetters) && repairing.some((other) => upstreamsOf(other).includes(job));
  return jobs
    .filter((job) => hasLetters(job) || isBetween(job))
    .sort((a, b) => upstreamsOf(a).length - upstreamsOf(b).length)
    .map((job) => ({ job, places: hasLetters(job) ? own(job) : [] }));
}

const canRepair = (job: Job): boolean =>
  isTableJob(job) || isDueJob(job) || (isPeriodJob(job) && job.repair !== undefined);

/** Letters that no run works off, by their jobs, and what helps. */
function leftOut(jobs: readonly Job[], places: readonly Place[]): string[] {
  const texts = places.map(({ id, ...name }) => {
    const job = jobs.find((one) => one.name === name.job && shardNames(one).includes(name.shard));
    if (job === undefined)
      return `no job has the shard ${titleOf(name)} any more. Next: tidemark dead-letters discard ${id} --reason "…"`;
    return canRepair(job)
      ? null
      : `${job.name} repairs no letters by themselves. Next: tidemark run ${job.name} --from … --to …`;
  });
  return [...new Set(texts.filter((text) => text !== null))];
}

function take(app: App, { job, places }: Step, { json }: Options): Promise<number> {
  const general = { concurrency, ifLocked: 'wait', timeout: timeLimitMs, ...(json ? { json } : {}) } as const;
  if (places.length === 0) return run(app, job.name, [], general);
  const letters = new Set(places.map(({ id }) => id));
  const shards = [...new Set(places.map(({ shard }) => shard))].filter((shard) => shard !== '');
  return run(app, job.name, shards, { ...general, repair: true, letters });
}

function questionOf(steps: readonly Step[], places: readonly Place[]): string {
  const what = counted(places.length, 'row', 'rows');
  const order = steps.map(({ job, places: own }) => (own.length === 0 ? `${job.name} runs` : job.name)).join(', then ');
  return `try ${what} again${order === '' ? '' : `: ${order}`}`;
}

/** What became of them. */
async function report(surroundings: Surroundings, places: readonly Place[], { json }: Options): Promise<number> {
  const open: Place[] = [];
  const pausedNow = new Set<string>();
  for (const target of new Set(places.map((place) => place.target))) {
    const own = places.filter((place) => place.target === target);
    await withSession(surroundings, target, async (session) => {
      const { zone } = surroundings;
      const left = await placesOfLetters(session, { ids: own.map(({ id }) => id), state: 'open' }, zone);
      const ids = new Set(left.map(({ id }) => id));
      open.push(...own.filter(({ id }) => ids.has(id)));
      const pauses = await readPauses(session, zone);
      for (const pause of own.map((place) => pauseOf(pauses, place)))
        if (pause !== null) pausedNow.add(`${pauseText(pause, zone)}. Next: tidemark resume ${titleOf(pause)}`);
    });
  }
  const code = open.length === 0 ? exitCodes.done : exitCodes.waitsForPerson;
  if (json) return code;
  for (const text of pausedNow) print(text);
  const settled = places.length - open.length;
  if (open.length === 0) print(`${counted(settled, 'dead letter is', 'dead letters are')} settled`);
  else print(`${settled} of ${places.length} are settled. Next: tidemark dead-letters show ${open[0]?.id}`);
  return code;
}
