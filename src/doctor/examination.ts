/**
 * The examination: the servers first, then everything else at once, each check within a limit of time.
 *
 * A check whose server cannot be reached is told as not looked at; one that does not answer is doubtful, and its
 * connections are dropped. So this comes to its end whatever hangs.
 */

import { Databases } from '../platform/databases.ts';
import { TidemarkError } from '../platform/errors.ts';
import { explained } from '../platform/explain.ts';
import type { Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import type { RedisCopy } from '../platform/redis.ts';
import { type DatabaseName, databaseSettings } from '../platform/settings.ts';
import {
  type Access,
  broken,
  type Check,
  doubtful,
  type Finding,
  type Group,
  groups,
  notLookedAt,
  type Told,
} from './check.ts';
import { cronChecks } from './cron.ts';
import { hostChecks } from './host.ts';
import { migrationChecks } from './migrations.ts';
import type { Patient } from './patient.ts';
import { privilegeChecks } from './privileges.ts';
import { redisChecks } from './redis.ts';
import { reachability, serverChecks } from './servers.ts';
import { settingsChecks } from './settings.ts';
import { tableChecks } from './tables.ts';
import { timeChecks } from './time.ts';
import { workChecks } from './work.ts';

/** For one check, and before that for reaching the servers. */
const limitMs = 5000;
/** For an answer of a server, so that it is the server that is told of, and not the check. */
const answerLimitMs = 4000;

/** Servers that end a statement by its limit: MariaDB, MySQL. */
const tooLong = new Set([1969, 3024]);

/** @param wanted the groups to look at; whether the servers answer is asked in any case */
export async function examine(patient: Patient, wanted: readonly Group[] = groups): Promise<Told[]> {
  const databases = new Databases(patient.config);
  const away = new Map<DatabaseName | 'redis', string>();
  for (const [name, setting] of Object.entries({ ...databaseSettings, redis: 'REDIS_URL' as const }))
    if (patient.config.get(setting) === undefined) away.set(name as DatabaseName, `${setting} is not set`);
  const run = (checks: readonly Check[]) => Promise.all(checks.map((check) => within(check, databases, away)));
  const isWanted = ({ group }: { readonly group: Group }) => wanted.includes(group);
  const first = await run([...settingsChecks(patient), ...reachability(patient, away)]);
  const rest = [
    ...serverChecks(patient),
    ...privilegeChecks(patient),
    ...migrationChecks(patient),
    ...tableChecks(patient),
    ...timeChecks(patient),
    ...redisChecks(patient),
    ...hostChecks(patient),
    ...cronChecks(patient),
    ...workChecks(patient),
  ];
  const told = [...first, ...(await run(rest.filter(isWanted)))].flat().filter(isWanted);
  return told.sort((a, b) => groups.indexOf(a.group) - groups.indexOf(b.group));
}

async function within(check: Check, databases: Databases, away: ReadonlyMap<string, string>): Promise<Told[]> {
  const tell = (findings: readonly Finding[]) => findings.map((finding) => ({ group: check.group, ...finding }));
  const lacks = check.needs.find((name) => away.has(name));
  if (lacks !== undefined) return tell([notLookedAt(check.about, `${away.get(lacks)}`)]);
  const connections = new Connections(databases);
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<Finding[]>((resolve) => {
    timer = setTimeout(() => resolve([noAnswer(check)]), limitMs);
  });
  try {
    return tell(await Promise.race([check.look(connections), silence]));
  } catch (error) {
    return tell([findingOf(error, check)]);
  } finally {
    clearTimeout(timer);
    connections.drop();
  }
}

function findingOf(error: unknown, check: Check): Finding {
  if (tooLong.has(errorNumber(error))) return noAnswer(check);
  if (error instanceof TidemarkError)
    return broken(error.message, null, ...(error.next === undefined ? [] : [error.next]));
  const reason = explained(error);
  const says = reason instanceof Error ? reason.message : String(reason);
  if (reason instanceof TidemarkError) return notLookedAt(check.about, says);
  return doubtful(
    `${check.about}: the check itself failed, ${says}`,
    'this should not happen, and what it was to look at is not known',
    'report it with this sentence',
  );
}

const noAnswer = ({ about }: Check): Finding =>
  doubtful(
    `${about}: no answer in ${limitMs / 1000} s`,
    'the server is busy, or a table is large and has no fitting index',
    'SHOW FULL PROCESSLIST',
  );

/** What a check has opened: dropped when it is over, or out of time. */
class Connections implements Access {
  readonly #databases: Databases;
  readonly #sessions: Session[] = [];
  readonly #copies: RedisCopy[] = [];
  #isOver = false;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  async session(name: DatabaseName): Promise<Session> {
    const session = await this.#databases.open(name, answerLimitMs);
    this.#sessions.push(session);
    if (this.#isOver) session.destroy();
    return session;
  }

  async redis(): Promise<RedisCopy> {
    const copy = await this.#databases.redis();
    this.#copies.push(copy);
    if (this.#isOver) copy.close();
    return copy;
  }

  drop(): void {
    this.#isOver = true;
    for (const session of this.#sessions) session.destroy();
    for (const copy of this.#copies) copy.close();
  }
}
