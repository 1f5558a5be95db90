/**
 * Private MariaDB and Redis servers in a folder, for trying things and for the demonstration.
 *
 * Promises: after `up` both answer on 127.0.0.1, `local.env` holds the settings to reach them, and the state file was
 * written last of all. `up` keeps a server that answers and starts the one that does not, with the same password and,
 * where it is free, on the same port. Several `up` and `down` on one folder wait for one another.
 * Needs mariadbd, mariadb-install-db, redis-server and flock; installs them where it may.
 * After a crash at any point the next `up` finds running servers by the record written before each start.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SetupError } from '../errors.ts';
import { type Binaries, binaries, type Lookup } from './binaries.ts';
import { readJson, removeHalfMade, shortTempPath, writePrivate } from './files.ts';
import { withLock } from './lock.ts';
import * as mariadb from './mariadb.ts';
import { localHost, onFreePort } from './processes.ts';
import * as redis from './redis.ts';

export type LocalSettings = Record<
  'SOURCE_DATABASE_URL' | 'MAIN_DATABASE_URL' | 'LEDGER_DATABASE_URL' | 'REDIS_URL',
  string
>;

export interface LocalServers {
  readonly folder: string;
  readonly mariadb: { host: string; port: number; user: string; password: string; dataFolder: string; pid: number };
  readonly redis: { host: string; port: number; password: string; pid: number };
  readonly settings: LocalSettings;
}

export interface UpOptions {
  /** Is told what takes long. */
  readonly say?: (line: string) => void;
  readonly lookup?: Lookup;
}

export type ServerState = 'up' | 'down' | 'never started';

export interface LocalStatus {
  readonly mariadb: ServerState;
  readonly redis: ServerState;
  readonly mariadbPort: number | undefined;
  readonly redisPort: number | undefined;
  /** Only while both are up. */
  readonly settings: LocalSettings | undefined;
}

/** MariaDB ends at 511 bytes, the names of database and table included. */
const longestDataPath = 400;

const databases = ['plus', 'mia', 'ledger'] as const;

function pathsIn(folder: string) {
  const local = join(folder, 'local');
  return {
    local,
    lock: join(folder, 'local.lock'),
    settings: join(folder, 'local.env'),
    state: join(local, 'state.json'),
    mariadbData: join(local, 'mariadb'),
    mariadbLog: join(local, 'mariadb.log'),
    mariadbRecord: join(local, 'mariadb.json'),
    redisFolder: join(local, 'redis'),
    redisLog: join(local, 'redis.log'),
    redisRecord: join(local, 'redis.json'),
  };
}

type Paths = ReturnType<typeof pathsIn>;

function newPassword(): string {
  return randomBytes(18).toString('hex');
}

interface Ready<ServerRecord> {
  readonly server: ServerRecord;
  readonly pid: number;
  readonly started: boolean;
}

/** Recorded before it begins, too: what a crash leaves in the run folder is removed by the next `up`. */
async function newData(
  tools: Binaries,
  paths: Paths,
  record: mariadb.MariadbRecord,
  say: (line: string) => void,
): Promise<void> {
  say('making a data folder for MariaDB');
  try {
    await writePrivate(paths.mariadbRecord, JSON.stringify(record));
    await mariadb.makeDataFolder(tools, record.runFolder, paths.mariadbData);
  } finally {
    await mariadb.clearAway(record);
  }
}

async function mariadbUp(
  tools: Binaries,
  paths: Paths,
  say: (line: string) => void,
): Promise<Ready<mariadb.MariadbRecord>> {
  const known = await readJson<mariadb.MariadbRecord>(paths.mariadbRecord);
  if (known !== undefined) {
    if (await mariadb.pingMariadb(known))
      return { server: known, pid: await mariadb.mariadbPid(known), started: false };
    await mariadb.clearAway(known);
  }
  const password = known?.password ?? newPassword();
  if (!existsSync(paths.mariadbData))
    await newData(tools, paths, { port: known?.port ?? 0, password, runFolder: shortTempPath() }, say);
  return onFreePort(known?.port, async (port) => {
    const server = { port, password, runFolder: shortTempPath() };
    try {
      await writePrivate(paths.mariadbRecord, JSON.stringify(server));
      const pid = await mariadb.startMariadb(tools, {
        ...server,
        dataFolder: paths.mariadbData,
        logFile: paths.mariadbLog,
      });
      return { server, pid, started: true };
    } catch (error) {
      await mariadb.clearAway(server);
      throw error;
    }
  });
}

async function redisUp(tools: Binaries, paths: Paths): Promise<Ready<redis.RedisRecord>> {
  const known = await readJson<redis.RedisRecord>(paths.redisRecord);
  if (known !== undefined) {
    if (known.pid !== undefined && (await redis.pingRedis(known)))
      return { server: known, pid: known.pid, started: false };
    await redis.stopRedis(known);
  }
  await mkdir(paths.redisFolder, { recursive: true, mode: 0o700 });
  const password = known?.password ?? newPassword();
  return onFreePort(known?.port, async (port) => {
    const server = { port, password };
    await writePrivate(paths.redisRecord, JSON.stringify(server));
    const pid = await redis.startRedis(tools, { ...server, folder: paths.redisFolder, logFile: paths.redisLog });
    await writePrivate(paths.redisRecord, JSON.stringify({ ...server, pid }));
    return { server, pid, started: true };
  });
}

function settingsFor(mariadbServer: mariadb.MariadbRecord, redisServer: redis.RedisRecord): LocalSettings {
  const base = `mysql://${mariadb.mariadbUser}:${mariadbServer.password}@${localHost}:${mariadbServer.port}`;
  return {
    SOURCE_DATABASE_URL: `${base}/plus`,
    MAIN_DATABASE_URL: `${base}/mia`,
    LEDGER_DATABASE_URL: `${base}/ledger`,
    REDIS_URL: `redis://:${redisServer.password}@${localHost}:${redisServer.port}/0`,
  };
}

async function startBoth(
  folder: string,
  paths: Paths,
  tools: Binaries,
  say: (line: string) => void,
): Promise<LocalServers & { started: boolean }> {
  await removeHalfMade(paths.local);
  // Both are waited for, even when one fails: the lock must not fall while the other is still starting.
  const [first, second] = await Promise.allSettled([mariadbUp(tools, paths, say), redisUp(tools, paths)]);
  if (first.status === 'rejected') throw first.reason;
  if (second.status === 'rejected') throw second.reason;
  const [database, cache] = [first.value, second.value];

  await mariadb.runSql(
    database.server,
    databases.map((name) => `CREATE DATABASE IF NOT EXISTS ${name} CHARACTER SET utf8mb4`),
  );
  const settings = settingsFor(database.server, cache.server);
  const servers: LocalServers = {
    folder,
    mariadb: {
      host: localHost,
      port: database.server.port,
      user: mariadb.mariadbUser,
      password: database.server.password,
      dataFolder: paths.mariadbData,
      pid: database.pid,
    },
    redis: { host: localHost, port: cache.server.port, password: cache.server.password, pid: cache.pid },
    settings,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  await writePrivate(
    paths.settings,
    `# Written by \`tidemark local up\`, removed by \`tidemark local down\`.\n${lines.join('\n')}\n`,
  );
  await writePrivate(paths.state, `${JSON.stringify(servers, null, 2)}\n`);
  return { ...servers, started: database.started || cache.started };
}

/**
 * Both servers, running.
 *
 * @throws SetupError when programs are missing and cannot be installed, UnavailableError when a server does not start
 */
export async function up(folder: string, options: UpOptions = {}): Promise<LocalServers & { started: boolean }> {
  const say = options.say ?? (() => {});
  const place = resolve(folder);
  const paths = pathsIn(place);
  if (Buffer.byteLength(paths.mariadbData) > longestDataPath) {
    throw new SetupError(
      `MariaDB cannot keep its data below so long a path: ${place}`,
      'use a folder with a shorter path',
    );
  }
  const tools = await binaries(say, options.lookup);
  await mkdir(paths.local, { recursive: true, mode: 0o700 });
  // There are passwords in here, and nothing that anybody should commit.
  await writeFile(join(place, '.gitignore'), '*\n');
  return withLock(tools.flock, paths.lock, () => startBoth(place, paths, tools, say));
}

async function stopBoth(paths: Paths, erase: boolean): Promise<boolean> {
  await rm(paths.settings, { force: true });
  await rm(paths.state, { force: true });
  const database = await readJson<mariadb.MariadbRecord>(paths.mariadbRecord);
  const cache = await readJson<redis.RedisRecord>(paths.redisRecord);
  const stopped = await Promise.all([
    database === undefined ? false : mariadb.stopMariadb(database),
    cache === undefined ? false : redis.stopRedis(cache),
  ]);
  if (erase) await rm(paths.local, { recursive: true, force: true });
  return stopped.includes(true);
}

/** Stops both servers and removes their settings; the data stays unless `erase`. */
export async function down(
  folder: string,
  options: { erase?: boolean; lookup?: Lookup } = {},
): Promise<{ wasRunning: boolean }> {
  const paths = pathsIn(resolve(folder));
  if (!existsSync(paths.local)) return { wasRunning: false };
  const tools = await binaries(() => {}, options.lookup);
  return { wasRunning: await withLock(tools.flock, paths.lock, () => stopBoth(paths, options.erase === true)) };
}

/** How the servers in the folder are. Changes nothing and waits for nobody. */
export async function status(folder: string): Promise<LocalStatus> {
  const paths = pathsIn(resolve(folder));
  const database = await readJson<mariadb.MariadbRecord>(paths.mariadbRecord);
  const cache = await readJson<redis.RedisRecord>(paths.redisRecord);
  const [databaseUp, cacheUp] = await Promise.all([
    database === undefined ? false : mariadb.pingMariadb(database),
    cache === undefined ? false : redis.pingRedis(cache),
  ]);
  const state = (record: unknown, isUp: boolean): ServerState =>
    isUp ? 'up' : record === undefined ? 'never started' : 'down';
  return {
    mariadb: state(database, databaseUp),
    redis: state(cache, cacheUp),
    mariadbPort: database?.port,
    redisPort: cache?.port,
    settings:
      database !== undefined && cache !== undefined && databaseUp && cacheUp ? settingsFor(database, cache) : undefined,
  };
}
