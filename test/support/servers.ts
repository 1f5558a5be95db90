/**
 * Servers for tests, in a folder of their own, that tests may kill.
 *
 * Promises: ready in well under a second, by copying a data folder that is made once per MariaDB version; gone with all
 * their files after `stop()`, and also when the test process dies: a watcher holds a pipe from us and cleans up when it
 * closes. The folder is in memory where there is room, so a kill of a server is safe to test, a power cut is not.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { access, constants, mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type {} from 'vitest';
import { type Binaries, binaries } from '../../src/platform/local/binaries.ts';
import { copyFolder, shortTempPath } from '../../src/platform/local/files.ts';
import { withLock } from '../../src/platform/local/lock.ts';
import {
  type MariadbStart,
  makeDataFolder,
  mariadbUser,
  runSql,
  startMariadb,
} from '../../src/platform/local/mariadb.ts';
import { localHost, onFreePort } from '../../src/platform/local/processes.ts';
import { type RedisStart, startRedis } from '../../src/platform/local/redis.ts';

/** What a test needs to connect; plain data, so that vitest can hand it to its workers. */
export interface ServerAddresses {
  readonly mariadb: { readonly host: string; readonly port: number; readonly user: string; readonly password: string };
  readonly redis: { readonly host: string; readonly port: number; readonly password: string };
}

declare module 'vitest' {
  interface ProvidedContext {
    servers: ServerAddresses;
  }
}

export interface TestServers {
  readonly addresses: ServerAddresses;
  readonly folder: string;
  /** What MariaDB says, over all its starts. */
  readonly mariadbLog: string;
  /** SIGKILL; comes back when the process is gone. */
  killMariadb(): Promise<void>;
  /** On the same port, with the same data and password. Kills it first when it is running. */
  restartMariadb(): Promise<void>;
  killRedis(): Promise<void>;
  /** On the same port and empty. */
  restartRedis(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestServerOptions {
  /** Commits are not written through. Not for tests that kill MariaDB. */
  readonly quickCommits?: boolean;
  /** Further server variables of MariaDB. */
  readonly variables?: Readonly<Record<string, string | number>>;
}

export function mysqlUrl({ mariadb }: ServerAddresses, database: string): string {
  return `mysql://${mariadb.user}:${mariadb.password}@${mariadb.host}:${mariadb.port}/${database}`;
}

export function redisUrl({ redis }: ServerAddresses, number = 0): string {
  return `redis://:${redis.password}@${redis.host}:${redis.port}/${number}`;
}

/** For a bench (src/testing) on these servers. */
export function benchServers(addresses: ServerAddresses): { mysql: string; redis: string } {
  return { mysql: mysqlUrl(addresses, '').slice(0, -1), redis: redisUrl(addresses) };
}

/** A new empty database whose name begins with the given word. */
export async function newDatabase(
  addresses: ServerAddresses,
  word = 'test',
): Promise<{ name: string; url: string; drop(): Promise<void> }> {
  const name = `${word}_${randomBytes(5).toString('hex')}`;
  const server = { port: addresses.mariadb.port, password: addresses.mariadb.password, runFolder: '' };
  await runSql(server, [`CREATE DATABASE ${name} CHARACTER SET utf8mb4`]);
  return { name, url: mysqlUrl(addresses, name), drop: () => runSql(server, [`DROP DATABASE IF EXISTS ${name}`]) };
}

async function roomyFolder(): Promise<string> {
  try {
    await access('/dev/shm', constants.W_OK);
    const { bavail, bsize } = await statfs('/dev/shm');
    if (bavail * bsize > 4 * 1024 ** 3) return '/dev/shm';
  } catch {
    // Not on this system.
  }
  return tmpdir();
}

/** The data folder that all test servers begin with. */
async function preparedData(tools: Binaries): Promise<string> {
  const { stdout } = await promisify(execFile)(tools.mariadbd, ['--no-defaults', '--version']);
  const cache = join(dirname(fileURLToPath(import.meta.url)), '../../node_modules/.cache/tidemark');
  const key = createHash('sha256').update(`${stdout}${process.getuid?.()}`).digest('hex').slice(0, 12);
  const folder = join(cache, `mariadb-${key}`);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  await withLock(tools.flock, join(cache, 'mariadb.lock'), async () => {
    if (existsSync(folder)) return;
    const workshop = shortTempPath();
    await makeDataFolder(tools, workshop, folder).finally(() => rm(workshop, { recursive: true, force: true }));
  });
  return folder;
}

/** Kills what stands in the `.pid` files, and removes the folder, as soon as its standard input closes. */
const watcherScript = `
cat > /dev/null
for pid in $(cat "$1"/*.pid 2> /dev/null); do kill -9 "$pid" 2> /dev/null; done
rm -rf "$1" 2> /dev/null || { sleep 1; rm -rf "$1"; }
`;

function startWatcher(folder: string): ChildProcess {
  const watcher = spawn('sh', ['-c', watcherScript, 'sh', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watcher.unref();
  return watcher;
}

/** Kills a child of ours and waits until node has reaped it: from then on the signal fails. */
async function killHard(pid: number | undefined): Promise<void> {
  if (pid === undefined) return;
  try {
    for (let signal: NodeJS.Signals | 0 = 'SIGKILL'; ; signal = 0) {
      process.kill(pid, signal);
      await sleep(5);
    }
  } catch {
    // Gone.
  }
}

type Kind = 'mariadb' | 'redis';

class Pair implements TestServers {
  readonly folder: string;
  readonly #tools: Binaries;
  readonly #watcher: ChildProcess;
  readonly #pids: Record<Kind, number | undefined> = { mariadb: undefined, redis: undefined };
  #mariadb: MariadbStart;
  #redis: RedisStart;
  #stopped: Promise<void> | undefined;

  constructor(tools: Binaries, mariadb: MariadbStart, redis: RedisStart) {
    this.#tools = tools;
    this.folder = redis.folder;
    this.#mariadb = { ...mariadb, spawned: (pid) => this.#note('mariadb', pid) };
    this.#redis = { ...redis, spawned: (pid) => this.#note('redis', pid) };
    this.#watcher = startWatcher(this.folder);
  }

  get addresses(): ServerAddresses {
    const { port, password } = this.#mariadb;
    return {
      mariadb: { host: localHost, port, user: mariadbUser, password },
      redis: { host: localHost, port: this.#redis.port, password: this.#redis.password },
    };
  }

  get mariadbLog(): string {
    return this.#mariadb.logFile;
  }

  /** For the watcher, which must never kill a number that belongs to somebody else by now. */
  #note(kind: Kind, pid: number | undefined): void {
    this.#pids[kind] = pid;
    writeFileSync(join(this.folder, `${kind}.pid`), `${pid ?? ''}\n`);
  }

  async #kill(kind: Kind): Promise<void> {
    await killHard(this.#pids[kind]);
    this.#note(kind, undefined);
  }

  async start(): Promise<void> {
    const mariadb = onFreePort(undefined, async (port) => {
      this.#mariadb = { ...this.#mariadb, port };
      await this.restartMariadb();
    });
    const redis = onFreePort(undefined, async (port) => {
      this.#redis = { ...this.#redis, port };
      await this.restartRedis();
    });
    const failed = (await Promise.allSettled([mariadb, redis])).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  killMariadb(): Promise<void> {
    return this.#kill('mariadb');
  }

  async restartMariadb(): Promise<void> {
    await this.killMariadb();
    await startMariadb(this.#tools, this.#mariadb);
  }

  killRedis(): Promise<void> {
    return this.#kill('redis');
  }

  async restartRedis(): Promise<void> {
    await this.killRedis();
    await startRedis(this.#tools, this.#redis);
  }

  /** Nobody needs the data: the servers are killed, and the watcher removes what is left. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await Promise.all([this.killMariadb(), this.killRedis()]);
    const gone = new Promise((resolve) => this.#watcher.once('close', resolve));
    this.#watcher.ref();
    this.#watcher.stdin?.end();
    await gone;
  }
}

/** A pair of servers of one's own. */
export async function startTestServers(options: TestServerOptions = {}): Promise<TestServers> {
  const tools = await binaries((line) => process.stderr.write(`${line}\n`));
  const prepared = await preparedData(tools);
  const folder = await mkdtemp(join(await roomyFolder(), 'tidemark-test-'));
  const password = randomBytes(12).toString('hex');
  const dataFolder = join(folder, 'mariadb');
  const variables = {
    innodb_log_file_size: '96M',
    innodb_flush_log_at_trx_commit: options.quickCommits === true ? 2 : 1,
    ...options.variables,
  };
  const mariadb = {
    port: 0,
    password,
    runFolder: join(folder, 'run'),
    dataFolder,
    logFile: join(folder, 'mariadb.log'),
    variables,
  };
  const pair = new Pair(tools, mariadb, { port: 0, password, folder, logFile: join(folder, 'redis.log') });
  try {
    await copyFolder(prepared, dataFolder);
    await pair.start();
    return pair;
  } catch (error) {
    await pair.stop();
    throw error;
  }
}
