/**
 * A private MariaDB server on 127.0.0.1.
 *
 * Promises: a data folder is whole or absent; the only accounts that can log in are `tidemark`@localhost and
 * @127.0.0.1, with a password that never stands on a command line; committed data survives a kill of the server.
 * Needs mariadbd and mariadb-install-db. A crash of ours during a start leaves a server that answers to the record
 * written before the start, or one that `clearAway` removes.
 */
import { execFile } from 'node:child_process';
import { lstat, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SetupError } from '../errors.ts';
import type { Binaries } from './binaries.ts';
import { lastLines, moveFolder } from './files.ts';
import { killLeftovers, localHost, startServer, waitGone, within } from './processes.ts';

export const mariadbUser = 'tidemark';

/** How to reach a server, and how to find its process. */
export interface MariadbRecord {
  readonly port: number;
  readonly password: string;
  /** A short path for the socket; it stands on the server's command line and belongs to no other server. */
  readonly runFolder: string;
}

export interface MariadbStart extends MariadbRecord {
  readonly dataFolder: string;
  readonly logFile: string;
  readonly spawned?: (pid: number) => void;
  /** Server variables that replace the usual ones. */
  readonly variables?: Readonly<Record<string, string | number>>;
}

const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];

/** Quick to start, and as careful as production with what is committed. */
const usualVariables = {
  innodb_buffer_pool_size: '256M',
  innodb_log_file_size: '256M',
  innodb_flush_log_at_trx_commit: 1,
  innodb_buffer_pool_dump_at_shutdown: 'OFF',
  innodb_buffer_pool_load_at_startup: 'OFF',
  performance_schema: 'OFF',
  character_set_server: 'utf8mb4',
  default_time_zone: '+08:00', // the business zone by default: NOW() must stamp rows in it
  max_connections: 300,
} as const;

/**
 * Makes a data folder. It is made in the workshop, a short path without spaces, and moved to its place when it is whole.
 *
 * @throws SetupError with the installer's last words
 */
export async function makeDataFolder(binaries: Binaries, workshop: string, dataFolder: string): Promise<void> {
  const made = join(workshop, 'data');
  try {
    const parameters = [
      '--no-defaults',
      `--datadir=${made}`,
      '--auth-root-authentication-method=socket',
      '--skip-test-db',
    ];
    const tuning = ['--innodb-log-file-size=8M', '--innodb-buffer-pool-size=32M', '--innodb-flush-log-at-trx-commit=0'];
    await mkdir(workshop, { mode: 0o700 });
    await mkdir(made, { mode: 0o700 });
    await promisify(execFile)(binaries.mariadbInstallDb, [...parameters, ...asRoot, ...tuning], {
      cwd: workshop,
      maxBuffer: 1 << 26,
    });
    await moveFolder(made, dataFolder);
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    throw new SetupError(
      `cannot make a MariaDB data folder in ${dataFolder}:\n${lastLines(`${stdout}\n${stderr}`.trim() || message)}`,
      undefined,
      error,
    );
  }
}

/** Run by the server before it lets anybody in. One statement a line. */
function accountStatements(password: string): string {
  const lines = [
    "DELETE FROM mysql.global_priv WHERE User IN ('', 'root', 'mysql');",
    'DELETE FROM mysql.proxies_priv;',
    'FLUSH PRIVILEGES;',
  ];
  for (const host of ['localhost', localHost]) {
    const account = `'${mariadbUser}'@'${host}'`;
    lines.push(`CREATE USER IF NOT EXISTS ${account} IDENTIFIED BY '${password}';`);
    lines.push(`ALTER USER ${account} IDENTIFIED BY '${password}';`);
    lines.push(`GRANT ALL PRIVILEGES ON *.* TO ${account} WITH GRANT OPTION;`);
  }
  return `${lines.join('\n')}\n`;
}

async function prepareRunFolder(start: MariadbStart): Promise<string> {
  await mkdir(start.runFolder, { recursive: true, mode: 0o700 });
  const link = join(start.runFolder, 'data');
  if ((await lstat(link).catch(() => undefined)) === undefined) await symlink(start.dataFolder, link);
  const initFile = join(start.runFolder, 'init.sql');
  await writeFile(initFile, accountStatements(start.password), { mode: 0o600 });
  return initFile;
}

/**
 * Starts the server on its port and waits until it answers a query. Gives the process id.
 *
 * @throws UnavailableError with the end of its log
 */
export async function startMariadb(binaries: Binaries, start: MariadbStart): Promise<number> {
  const initFile = await prepareRunFolder(start);
  const variables = Object.entries({ ...usualVariables, ...start.variables });
  try {
    return await startServer({
      name: 'MariaDB',
      program: binaries.mariadbd,
      parameters: [
        '--no-defaults',
        ...asRoot,
        `--datadir=${join(start.runFolder, 'data')}`,
        `--socket=${join(start.runFolder, 'mariadbd.sock')}`,
        `--pid-file=${join(start.runFolder, 'mariadbd.pid')}`,
        `--init-file=${initFile}`,
        // Its own folder for temporary files: a server that starts deletes those of others from a shared one.
        `--tmpdir=${start.runFolder}`,
        `--secure-file-priv=${start.runFolder}`,
        `--bind-address=${localHost}`,
        `--port=${start.port}`,
        '--skip-name-resolve',
        '--skip-log-bin',
        ...variables.map(([name, value]) => `--${name.replaceAll('_', '-')}=${value}`),
      ],
      folder: start.runFolder,
      logFile: start.logFile,
      ping: () => pingMariadb(start),
      spawned: start.spawned,
    });
  } finally {
    await rm(initFile, { force: true });
  }
}

/** Runs statements as `tidemark`, without a database. Fails after the time, even when the server is frozen. */
export async function runSql(server: MariadbRecord, statements: readonly string[], limitMs = 30_000): Promise<void> {
  const { createConnection } = (await import('mysql2')).default; // as a bundled CommonJS module it has no named exports
  const { port, password } = server;
  const connection = createConnection({ host: localHost, port, user: mariadbUser, password, connectTimeout: limitMs });
  connection.on('error', () => {});
  try {
    for (const statement of statements) await within(limitMs, connection.promise().query(statement));
  } finally {
    connection.destroy();
  }
}

/** Whether the server answers a query with its own password. */
export async function pingMariadb(server: MariadbRecord): Promise<boolean> {
  try {
    await runSql(server, ['SELECT 1'], 3000);
    return true;
  } catch (error) {
    // A mistake of ours must not look like a server that never comes up.
    if (error instanceof TypeError) throw error;
    return false;
  }
}

/** The process id that the running server wrote down. */
export async function mariadbPid(server: MariadbRecord): Promise<number> {
  return Number(await readFile(join(server.runFolder, 'mariadbd.pid'), 'utf8').catch(() => 0));
}

function isOf(server: MariadbRecord): (candidate: { line: string }) => boolean {
  return ({ line }) => line.includes(`--datadir=${server.runFolder}/`);
}

/** Removes what a server that does not answer, or its installation, has left: processes and the run folder. */
export async function clearAway(server: MariadbRecord): Promise<void> {
  await killLeftovers(isOf(server));
  await rm(server.runFolder, { recursive: true, force: true });
}

/** Stops the server in order, else hard. Says whether it was running. The data stays. */
export async function stopMariadb(server: MariadbRecord): Promise<boolean> {
  const asked = await runSql(server, ['SHUTDOWN'], 3000).then(
    () => true,
    () => false,
  );
  // The port closes long before the data is written: the process has to go.
  if (asked) await waitGone(isOf(server), 30_000);
  const killed = await killLeftovers(isOf(server));
  await rm(server.runFolder, { recursive: true, force: true });
  return asked || killed;
}
