/** `tidemark dead-letters`: rows that a target refused; what they hold, why, and trying them again. */
import { systemClock } from '../engine/clock.ts';
import { type DeadLetter, findLetters } from '../engine/dead-letters.ts';
import { type Job, shardNames } from '../engine/job.ts';
import type { Zone } from '../engine/zone.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { type App, chosenJobs, findJob, inEachTarget, openSurroundings, type Surroundings } from './app.ts';
import { print, printJson, printTable } from './output.ts';
import { run } from './run.ts';

const lettersMax = 1000;

export async function list(
  app: App,
  jobName: string | undefined,
  options: { all?: true; json?: true },
): Promise<number> {
  if (jobName !== undefined) findJob(app, jobName);
  const surroundings = openSurroundings();
  const { zone } = surroundings;
  const filter = {
    limit: lettersMax,
    ...(jobName === undefined ? {} : { job: jobName }),
    ...(options.all ? {} : { state: 'open' as const }),
  };
  const jobs = chosenJobs(app, jobName);
  const letters = await lettersOf(surroundings, jobs, jobName !== undefined, filter);
  if (options.json) printJson(letters.map((letter) => asJson(letter, zone)));
  else if (letters.length === 0) print('no dead letters');
  else {
    await printTable(
      ['ID', 'JOB', 'SHARD', 'KEY', 'STATE', 'TRIES', 'SINCE', 'REASON'],
      letters.map((letter) => [
        String(letter.id),
        letter.job,
        letter.shard || '-',
        letter.key,
        letter.state,
        String(letter.attempts),
        letter.firstAt === null ? '-' : zone.text(letter.firstAt),
        letter.reason.slice(0, 70),
      ]),
    );
    if (letters.length === lettersMax) print(`only the first ${lettersMax} are shown`);
    print(
      `\nNext: tidemark dead-letters show ${letters[0]?.id}; when the cause is mended, tidemark dead-letters retry`,
    );
  }
  return exitCodes.done;
}

export async function show(app: App, which: string, options: { json?: true }): Promise<number> {
  const byId = /^\d{1,15}$/.test(which);
  if (!byId) findJob(app, which);
  const surroundings = openSurroundings();
  const { zone } = surroundings;
  const filter = byId ? { id: Number(which), limit: 1 } : { job: which, state: 'open' as const, limit: lettersMax };
  const jobs = byId ? app.jobs : [findJob(app, which)];
  const letters = await lettersOf(surroundings, jobs, !byId, filter);
  if (byId && letters.length === 0)
    throw new UsageError(`there is no dead letter ${which}`, 'tidemark dead-letters list --all');
  if (options.json) printJson(letters.map((letter) => asJson(letter, zone)));
  else for (const letter of letters) printLetter(letter, zone);
  return exitCodes.done;
}

export async function retryLetters(app: App, jobName: string | undefined, options: { json?: true }): Promise<number> {
  const jobs = chosenJobs(app, jobName);
  const surroundings = openSurroundings();
  const open = await lettersOf(surroundings, jobs, jobName !== undefined, { state: 'open', limit: lettersMax });
  const names = new Set(open.map(({ job }) => job));
  const concerned = jobs.filter((job) => names.has(job.name) && shardNames(job).length > 0);
  if (concerned.length === 0 && !options.json) print('no open dead letters');
  let code: number = exitCodes.done;
  for (const job of concerned) {
    code = Math.max(
      code,
      await run(app, job.name, [], { repair: true, concurrency: 4, ifLocked: 'wait', timeout: 600_000, ...options }),
    );
    if (!options.json && code === exitCodes.done)
      print(`${job.name}: no dead letters left at ${surroundings.zone.text(systemClock.now())}`);
  }
  return code;
}

/** Letters of the databases that these jobs write. */
async function lettersOf(
  surroundings: Surroundings,
  jobs: readonly Job[],
  isNamed: boolean,
  filter: Parameters<typeof findLetters>[1],
): Promise<DeadLetter[]> {
  const find = (_: unknown, session: Session) => findLetters(session, filter, surroundings.zone);
  return (await inEachTarget(surroundings, jobs, isNamed, find)).flat();
}

function printLetter(letter: DeadLetter, zone: Zone): void {
  print(
    `dead letter ${letter.id} of ${letter.job}${letter.shard === '' ? '' : ` ${letter.shard}`}: ${letter.state}, ${letter.attempts} tries, last ${letter.lastAt === null ? '-' : zone.iso(letter.lastAt)}`,
  );
  print(`  reason: ${letter.reason}`);
  if (letter.resolution !== null) print(`  ${letter.state}: ${letter.resolution}`);
  for (const [column, value] of Object.entries(letter.content))
    print(`  ${column} = ${value === null ? 'NULL' : JSON.stringify(value)}`);
  if (letter.state === 'open')
    print(
      `  Next: mend the cause, then tidemark run ${letter.job}${letter.shard === '' ? '' : ` ${letter.shard}`} --repair`,
    );
}

function asJson({ shard, firstAt, lastAt, ...letter }: DeadLetter, zone: Zone) {
  return {
    ...letter,
    shard: shard || null,
    firstAt: firstAt === null ? null : zone.iso(firstAt),
    lastAt: lastAt === null ? null : zone.iso(lastAt),
  };
}
