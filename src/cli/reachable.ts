/** Looking at all databases, of which some may be away: what can be told is told, and what is away is named. */
import type { Job } from '../engine/job.ts';
import { type ExitCode, exitCodes, TidemarkError, UnavailableError, UnreachableError } from '../platform/errors.ts';
import { explained } from '../platform/explain.ts';
import type { Session } from '../platform/mysql.ts';
import { type DatabaseName, databaseSettings } from '../platform/settings.ts';
import { type Surroundings, targetsOf, withSession } from './app.ts';
import { graveness } from './run-report.ts';

/** A server that does not answer, or refuses us. */
export interface Away {
  readonly error: TidemarkError;
  /** What cannot be told of therefore. */
  readonly jobs: readonly Job[];
}

/** What went wrong, where a person can do something about it. @throws anything else */
export function awayOf(raw: unknown, jobs: readonly Job[]): Away {
  const error = explained(raw);
  if (error instanceof TidemarkError && error.exitCode !== exitCodes.bug) return { error, jobs };
  throw error;
}

/** Does `work` for the jobs of each database, all at once, and goes on where one cannot be reached. */
export async function inEachReachable<Result>(
  surroundings: Surroundings,
  jobs: readonly Job[],
  isNamed: boolean,
  work: (jobs: readonly Job[], session: Session) => Promise<Result>,
): Promise<{ readonly results: Result[]; readonly away: Away[] }> {
  const addressOf = (target: DatabaseName) => surroundings.config.get(databaseSettings[target]);
  const targets = targetsOf(surroundings, jobs, isNamed);
  const looks = [...new Set(targets.map(addressOf))].map(async (address) => {
    const here = targets.filter((target) => addressOf(target) === address); // two may share one
    const own = jobs.filter((job) => here.includes(job.target));
    try {
      return { result: await withSession(surroundings, here[0] as DatabaseName, (session) => work(own, session)) };
    } catch (error) {
      return { away: awayOf(error, own) };
    }
  });
  const looked = await Promise.all(looks);
  return {
    results: looked.flatMap((one) => ('result' in one ? [one.result as Result] : [])),
    away: looked.flatMap((one) => ('away' in one ? [one.away as Away] : [])),
  };
}

/** Databases of one server that are away for one reason are one thing that is amiss. */
export function folded(away: readonly Away[]): Away[] {
  const reasonOf = ({ error }: Away) => (error instanceof UnreachableError ? error.what : null);
  return away.flatMap((one, index) => {
    const alike = away.filter((other) => reasonOf(other) !== null && reasonOf(other) === reasonOf(one));
    if (alike.length < 2) return [one];
    return away.findIndex((other) => alike.includes(other)) === index ? [oneOf(alike)] : [];
  });
}

function oneOf(alike: readonly Away[]): Away {
  const errors = alike.map(({ error }) => error as UnreachableError);
  const names = errors.map(({ database }) => database);
  const nexts = new Set(errors.map(({ next }) => next));
  const next =
    nexts.size === 1 ? errors[0]?.next : `check ${errors.map(({ setting }) => setting).join(', ')}: tidemark config`;
  const message = `${names.slice(0, -1).join(', ')} and ${names.at(-1)} ${errors[0]?.what}`;
  return { error: new UnavailableError(message, next), jobs: [...new Set(alike.flatMap(({ jobs }) => jobs))] };
}

/**
 * Ends a command that has told what could be told.
 *
 * @param isTold a person has read it above
 * @returns the exit code
 * @throws one error for all that is away, with the gravest exit code
 */
export function complainOf(away: readonly Away[], isTold = false): ExitCode {
  const [gravest] = [...away].sort((a, b) => graveness(b.error.exitCode) - graveness(a.error.exitCode));
  if (gravest === undefined) return exitCodes.done;
  if (isTold) return gravest.error.exitCode;
  const messages = [...new Set(away.map(({ error }) => error.message))];
  throw new TidemarkError(messages.join('; '), gravest.error.exitCode, gravest.error.next);
}
