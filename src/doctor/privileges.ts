/**
 * What the accounts may do: shown by the servers themselves, which check the privileges of a statement when they are asked
 * to explain it, and do nothing.
 */
import { isTableJob, shardNames } from '../engine/job.ts';
import { accountOf, checkSight } from '../engine/watermark.ts';
import { identifier, type Reader, type Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import { databaseSettings } from '../platform/settings.ts';
import { broken, type Check, fine } from './check.ts';
import { jobsIn, type Patient, placesOf, targetsOf } from './patient.ts';

/** Access denied: to the database, to a table, to a column. */
const denied = new Set([1044, 1142, 1143]);

export function privilegeChecks(patient: Patient): Check[] {
  const proven = (['source', 'ledger'] as const).filter(
    (name) => name === 'source' || patient.config.get(databaseSettings[name]) !== undefined,
  );
  return [
    ...proven.map((name) => sight(patient, name)),
    readsSource(patient),
    ...targetsOf(patient).map((name) => writes(patient, name)),
  ];
}

/** Without PROCESS the statements of others are hidden, and nothing can be proven. */
const sight = ({ config }: Patient, name: 'source' | 'ledger'): Check => ({
  group: 'privileges',
  about: `PROCESS at the ${name}`,
  needs: [name],
  async look(access) {
    if (config.get('TIDEMARK_SETTLE_LAG') !== undefined)
      return [fine('PROCESS is not needed: TIDEMARK_SETTLE_LAG is set, and nothing is proven')];
    const session = await access.session(name);
    await checkSight(session, databaseSettings[name]);
    return [fine(`${await accountOf(session)} sees the statements of others at the ${name} (PROCESS)`)];
  },
});

const readsSource = (patient: Patient): Check => ({
  group: 'privileges',
  about: 'SELECT on the source tables',
  needs: ['source'],
  async look(access) {
    const session = await access.session('source');
    const tables = patient.jobs
      .filter(isTableJob)
      .flatMap((job) => shardNames(job).map((shard) => job.source.table(shard)));
    const lacking: string[] = [];
    for (const table of tables)
      if (await isDenied(session, `EXPLAIN SELECT * FROM ${identifier(table)}`)) lacking.push(table);
    if (lacking.length === 0) return [fine(`the source account may read all ${tables.length} source tables`)];
    const account = await accountOf(session);
    return [
      broken(
        `the source account ${account} may not read ${lacking.join(', ')}`,
        'their rows cannot be taken',
        ...lacking.map((table) => `GRANT SELECT ON ${place(session.database, table)} TO ${account};`),
      ),
    ];
  },
});

const place = (database: string, table: string) => `${identifier(database)}.${identifier(table)}`;

const writes = (patient: Patient, name: 'main' | 'ledger'): Check => ({
  group: 'privileges',
  about: `what may be written in the ${name} database`,
  needs: [name],
  async look(access) {
    const session = await access.session(name);
    const tables = await writtenTables(patient, name, session);
    const lacking = new Map<string, string[]>();
    if (!(await mayDoAll(session)))
      for (const table of tables) {
        const privileges = await lackingOf(session, table);
        if (privileges.length > 0) lacking.set(table, privileges);
      }
    if (lacking.size === 0)
      return [
        fine(`the account of the ${name} database may read and write all ${tables.length} tables that jobs write`),
      ];
    const account = await accountOf(session);
    const kinds = [...new Set([...lacking.values()].map((list) => list.join(', ')))];
    const told = kinds.map((kind) => {
      const without = [...lacking].filter(([, list]) => list.join(', ') === kind);
      return `${kind} on ${without.map(([table]) => table).join(', ')}`;
    });
    return [
      broken(
        `the account ${account} of the ${name} database lacks ${told.join('; ')}`,
        'a job that writes there fails, and its window is rolled back',
        ...(lacking.size > 3
          ? [`GRANT ${needed.join(', ')} ON ${identifier(session.database)}.* TO ${account};`]
          : [...lacking].map(
              ([table, list]) => `GRANT ${list.join(', ')} ON ${place(session.database, table)} TO ${account};`,
            )),
      ),
    ];
  },
});

/** Those that migrations make, and the copies. Whether they are there is asked elsewhere. */
async function writtenTables(patient: Patient, name: 'main' | 'ledger', reader: Reader): Promise<string[]> {
  const names = placesOf(patient).find((place) => place.names.includes(name))?.names ?? [];
  const targets = names.filter((one) => one !== 'source');
  const migrations = (await Promise.all(targets.map((target) => patient.migrationsOf(target, reader)))).flat();
  const made = migrations.flatMap(({ sql }) =>
    [...sql.matchAll(/^CREATE TABLE IF NOT EXISTS `?(\w+)`?/gm)].map(([, table]) => `${table}`),
  );
  const copies = jobsIn(patient, name).flatMap((job) => (isTableJob(job) ? (job.targetTable ?? []) : []));
  return [...new Set([...made, ...copies])];
}

const needed = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;

/** Whether one grant has it all, for the whole database: then nothing more is to be asked. */
async function mayDoAll(session: Session): Promise<boolean> {
  const grants = (await session.tuples('SHOW GRANTS')).map(([grant]) => String(grant));
  if (grants.some((grant) => grant.startsWith('REVOKE'))) return false; // MySQL: all but some databases
  return grants.some((grant) => {
    const [, list = '', where = ''] = /^GRANT (.*) ON (\S+) TO /.exec(grant) ?? [];
    if (where !== '*.*' && where.replaceAll('\\', '') !== `${identifier(session.database)}.*`) return false;
    return list === 'ALL PRIVILEGES' || needed.every((one) => list.split(', ').includes(one));
  });
}

async function lackingOf(session: Reader, table: string): Promise<string[]> {
  const name = identifier(table);
  const asked = {
    SELECT: `EXPLAIN SELECT * FROM ${name}`,
    INSERT: `EXPLAIN INSERT INTO ${name} VALUES ()`,
    UPDATE: `EXPLAIN UPDATE ${name} SET no_column = 1`,
    DELETE: `EXPLAIN DELETE FROM ${name}`,
  };
  const lacking: string[] = [];
  for (const [privilege, sql] of Object.entries(asked)) if (await isDenied(session, sql)) lacking.push(privilege);
  return lacking;
}

/** Whether the server refuses it for want of a privilege; a table or column that is not there is another matter. */
async function isDenied(session: Reader, sql: string): Promise<boolean> {
  try {
    await session.tuples(sql);
    return false;
  } catch (error) {
    return denied.has(errorNumber(error));
  }
}
