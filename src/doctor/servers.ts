/** The database servers: whether they answer, and whether they do what tidemark relies on. */
import { randomUUID } from 'node:crypto';
import { checkPrimary } from '../engine/watermark.ts';
import { TidemarkError } from '../platform/errors.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import { type DatabaseName, databaseSettings } from '../platform/settings.ts';
import { broken, type Check, doubtful, type Finding, fine } from './check.ts';
import { isLocal, type Patient, type Place, placesOf, targetsOf } from './patient.ts';

/** Older than these nobody has tried. */
const oldest = { mariadb: [10, 6], mysql: [8, 0] } as const;

/** Whether each server answers. One that does not is noted, and what needs it is left out. */
export function reachability(patient: Patient, away: Map<DatabaseName | 'redis', string>): Check[] {
  const databases = placesOf(patient).map(
    ({ names, url }): Check => ({
      group: 'servers',
      about: title({ names }),
      needs: [],
      look: (access) =>
        answering(names, databaseSettings[names[0] as DatabaseName], away, async () => {
          const { facts, database } = await access.session(names[0] as DatabaseName);
          return versionOf(facts, `${title({ names })}: ${database} at ${url.host}`);
        }),
    }),
  );
  const redis: Check = {
    group: 'servers',
    about: 'Redis',
    needs: [],
    look: (access) =>
      answering(['redis'], 'REDIS_URL', away, async () => {
        const { facts } = await (await access.redis()).examine();
        const { host } = new URL(patient.config.need('REDIS_URL') as string);
        return fine(`Redis ${facts.get('redis_version') ?? 'of an unknown version'} at ${host}`);
      }),
  };
  return away.has('redis') ? databases : [...databases, redis];
}

async function answering(
  names: readonly (DatabaseName | 'redis')[],
  setting: string,
  away: Map<DatabaseName | 'redis', string>,
  look: () => Promise<Finding>,
): Promise<Finding[]> {
  for (const name of names) away.set(name, `${title({ names })} does not answer`); // until it does
  try {
    const finding = await look();
    for (const name of names) away.delete(name);
    return [finding];
  } catch (error) {
    const says = error instanceof TidemarkError ? error.message : `Redis does not answer: ${(error as Error).message}`;
    const isRedis = names[0] === 'redis';
    if (isRedis)
      return [
        doubtful(
          says,
          'runs go on and warn, but nobody can look checkpoints up, and check-pending-payments cannot work',
          `check ${setting}: tidemark config`,
        ),
      ];
    const next = (error instanceof TidemarkError ? error.next : undefined) ?? `check ${setting}: tidemark config`;
    return [broken(says, 'no job that reads or writes it can run', next)];
  }
}

export const title = ({ names }: Pick<Place, 'names'> | { readonly names: readonly string[] }): string =>
  names[0] === 'redis' ? 'Redis' : `the ${names.join(' and ')} database`;

function versionOf({ version, isMariadb }: Session['facts'], where: string): Finding {
  const [major = 0, minor = 0] = (version.match(/\d+/g) ?? []).map(Number);
  const [least, leastMinor] = oldest[isMariadb ? 'mariadb' : 'mysql'];
  const says = `${where} is ${isMariadb ? '' : 'MySQL '}${version}`;
  if (major > least || (major === least && minor >= leastMinor)) return fine(says);
  return doubtful(
    says,
    'nobody has tried tidemark with a server that old',
    `update the server to ${isMariadb ? 'MariaDB' : 'MySQL'} ${least}.${leastMinor} or later`,
  );
}

export function serverChecks(patient: Patient): Check[] {
  const check = (
    about: string,
    name: DatabaseName,
    look: (session: Session) => Promise<readonly Finding[]>,
  ): Check => ({
    group: 'servers',
    about,
    needs: [name],
    look: async (access) => look(await access.session(name)),
  });
  const everywhere = placesOf(patient).flatMap((place) => {
    const name = place.names[0] as DatabaseName;
    return [
      check(`whether ${title(place)} is a primary`, name, (session) => primary(session, patient, name)),
      check(`encryption to ${title(place)}`, name, (session) => encryption(session, place)),
      check(`the session at ${title(place)}`, name, (session) => sessionKept(session, title(place))),
      check(`big numbers at ${title(place)}`, name, (session) => bigNumbers(session, title(place))),
    ];
  });
  const targets = targetsOf(patient).flatMap((name) => [
    check(`modes of the ${name} database`, name, (session) => modes(session, name)),
    locks(name),
  ]);
  return [...everywhere, ...targets];
}

async function primary(session: Session, { config }: Patient, name: DatabaseName): Promise<Finding[]> {
  const withProof = name !== 'main' && config.get('TIDEMARK_SETTLE_LAG') === undefined;
  await checkPrimary(session, withProof, databaseSettings[name]);
  return [fine(`the ${name} database is on a primary that can be written`)];
}

export async function encryption(session: Reader, { url, names }: Place): Promise<Finding[]> {
  const [row] = await session.tuples(`SHOW SESSION STATUS LIKE 'Ssl_cipher'`);
  const cipher = String(row?.[1] ?? '');
  const setting = databaseSettings[names[0] as DatabaseName];
  if (cipher === '' && !isLocal(url))
    return [
      doubtful(
        `the connection to ${url.host} is not encrypted`,
        'whoever is on the way reads the data, and may change it',
        `append ?ssl=true to ${setting}`,
      ),
    ];
  if (cipher !== '' && url.searchParams.get('ssl') === 'skip-verify')
    return [
      doubtful(
        `the certificate of ${url.host} is not checked`,
        'somebody on the way may pretend to be the server',
        `${setting} with ?ssl=true in place of ?ssl=skip-verify`,
      ),
    ];
  const where = title({ names });
  return [fine(cipher === '' ? `${where} is on this host` : `the connection to ${where} is encrypted (${cipher})`)];
}

/** What was set at the start of a session must be there in the next statement: a proxy may have changed servers. */
export async function sessionKept(session: Reader & Pick<Session, 'facts'>, where: string): Promise<Finding[]> {
  const isolation = session.facts.isMariadb ? '@@tx_isolation' : '@@transaction_isolation';
  const [row] = await session.tuples(`SELECT @@sql_mode, ${isolation}, @@time_zone`);
  const [mode, level, zone] = (row ?? []).map(String);
  const lost = [
    /STRICT_ALL_TABLES/.test(mode ?? '') ? '' : `sql_mode is "${mode}"`,
    level === 'READ-COMMITTED' ? '' : `the isolation level is ${level}`,
    zone === '+00:00' ? '' : `the time zone is ${zone}`,
  ].filter((one) => one !== '');
  if (lost.length === 0) return [fine(`${where} keeps what a session sets: strict, READ COMMITTED, UTC`)];
  return [
    broken(
      `${where} forgets what a session sets: ${lost.join(', ')}`,
      'values would be cut silently, and windows read wrongly',
      'connect without a proxy that shares connections',
    ),
  ];
}

/** A BIGINT at its end, and fen beyond what a double holds. */
const numbers = ['9223372036854775807', '-9223372036854775808', '9007199254740993'] as const;

/** Both ways: what we send is what the server has, and what it has is what we get. */
export async function bigNumbers(session: Reader, where: string): Promise<Finding[]> {
  for (const number of numbers) {
    const [row] = await session.tuples(
      `SELECT CAST(? AS SIGNED) = ${number}, ${number}, CAST(${number} AS DECIMAL(20)), SUM(${number})`,
      [number],
    );
    const [isSame, ...back] = row ?? [];
    if (Number(isSame) === 1 && back.every((one) => String(one) === number)) continue;
    return [
      broken(
        `${number} does not come back from ${where} as it was sent: ${back.join(', ')}`,
        'ids and amounts would be changed on the way',
        'npm ci && npm run build',
      ),
    ];
  }
  return [fine(`numbers near 2^63 and fen beyond 2^53 come back from ${where} to the digit`)];
}

async function modes(session: Session, name: string): Promise<Finding[]> {
  const [row] = await session.tuples(
    `SELECT @@global.sql_mode, @@global.log_bin, @@global.binlog_format, @@global.innodb_flush_log_at_trx_commit`,
  );
  const [sqlMode, logs, format, flush] = (row ?? []).map(String);
  const found: Finding[] = [];
  if (!/STRICT_(TRANS|ALL)_TABLES|TRADITIONAL/.test(sqlMode ?? ''))
    found.push(
      doubtful(
        `the server of the ${name} database is not strict by default`,
        'tidemark sets it for itself, but other programs may write cut values beside it',
        `SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',STRICT_TRANS_TABLES'), and in the server's configuration`,
      ),
    );
  if (logs === '1' && format === 'STATEMENT')
    found.push(
      broken(
        `the server of the ${name} database writes its binary log by statement`,
        'it refuses every write at READ COMMITTED, which tidemark works at',
        `SET GLOBAL binlog_format = 'MIXED', and in the server's configuration`,
      ),
    );
  if (flush !== '1')
    found.push(
      doubtful(
        `the server of the ${name} database may lose the last second of commits in a power cut (innodb_flush_log_at_trx_commit=${flush})`,
        'a job repeats what it has lost, a bill that a caller saw succeed is gone',
        "SET GLOBAL innodb_flush_log_at_trx_commit = 1, and in the server's configuration",
      ),
    );
  return found.length > 0
    ? found
    : [fine(`modes of the ${name} database: strict, durable, a log that bears READ COMMITTED`)];
}

/** A named lock belongs to one connection of one server: a proxy or a cluster may not keep it. */
const locks = (name: DatabaseName): Check => ({
  group: 'servers',
  about: `named locks of the ${name} database`,
  needs: [name],
  async look(access) {
    const [holder, other] = await Promise.all([access.session(name), access.session(name)]);
    const lock = `tidemark:doctor:${randomUUID()}`;
    const [taken] = await holder.tuples('SELECT GET_LOCK(?, 0)', [lock]);
    const [seen] = await other.tuples('SELECT IS_USED_LOCK(?)', [lock]);
    if (Number(taken?.[0]) === 1 && Number(seen?.[0]) === holder.facts.connectionId)
      return [fine(`a named lock of the ${name} database is seen by all`)];
    return [
      doubtful(
        `a named lock of the ${name} database is not seen by another connection`,
        'two runs of a shard may work beside each other: nothing is applied twice, but much is done in vain',
        'connect without a proxy or load balancer, to one server',
      ),
    ];
  },
});
