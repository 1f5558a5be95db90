import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { type Connection, createConnection as connectMysql, type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { down, type LocalServers, status, up } from '../../src/platform/local/index.ts';
import { mysqlUrl, newDatabase, startTestServers } from '../support/servers.ts';

const localModule = new URL('../../src/platform/local/index.ts', import.meta.url).href;

let root: string;
const folders: string[] = [];

function newFolder(name: string): string {
  const folder = join(root, name);
  folders.push(folder);
  return folder;
}

async function withMysql<T>(url: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await connectMysql(url);
  try {
    return await work(connection);
  } finally {
    await connection.end();
  }
}

async function onlyValue(url: string, sql: string): Promise<unknown> {
  return withMysql(url, async (connection) => {
    const [rows] = await connection.query<RowDataPacket[]>(sql);
    return Object.values(rows[0] ?? {})[0];
  });
}

async function redisPing(url: string): Promise<string> {
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
  client.on('error', () => {});
  try {
    await client.connect();
    return await client.ping();
  } finally {
    client.disconnect();
  }
}

function connects(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host, timeout: 2000 });
    const answer = (is: boolean) => () => {
      socket.destroy();
      resolve(is);
    };
    socket.on('connect', answer(true)).on('error', answer(false)).on('timeout', answer(false));
  });
}

/** `up` in a process of its own; gives its result. */
async function upElsewhere(
  folder: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<LocalServers & { started: boolean }> {
  const code = `import(${JSON.stringify(localModule)}).then((m) => m.up(${JSON.stringify(folder)})).then((r) => console.log(JSON.stringify(r)))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', '-e', code], { env: environment });
  return JSON.parse(stdout);
}

const places = ({ mariadb, redis }: LocalServers) => [mariadb.port, mariadb.pid, redis.port, redis.pid];

/** These servers outlive their starter on purpose; when this run is interrupted, somebody else has to stop them. */
function startCleaner(): ChildProcess {
  const code = `import(${JSON.stringify(localModule)}).then((m) => Promise.all(process.argv.slice(1).map((f) => m.down(f))))`;
  const script = 'cat > /dev/null; for f in "$1"/*; do "$2" --import tsx -e "$3" "$f"; done; rm -rf "$1"';
  const stdio = ['pipe', 'ignore', 'ignore'] as const;
  return spawn('sh', ['-c', script, 'sh', root, process.execPath, code], { detached: true, stdio: [...stdio] });
}

let cleaner: ChildProcess;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tidemark-local-'));
  cleaner = startCleaner();
});

afterAll(async () => {
  await Promise.all(folders.map((folder) => down(folder)));
  await rm(root, { recursive: true, force: true });
  cleaner.stdin?.end();
});

describe('private servers in a folder', () => {
  let folder: string;
  let first: LocalServers & { started: boolean };

  beforeAll(async () => {
    folder = newFolder('usual');
    expect(await status(folder)).toMatchObject({
      mariadb: 'never started',
      redis: 'never started',
      settings: undefined,
    });
    first = await up(folder);
  });

  it('start from nothing and answer to the settings that they write', async () => {
    expect(first.started).toBe(true);
    const { SOURCE_DATABASE_URL, MAIN_DATABASE_URL, LEDGER_DATABASE_URL, REDIS_URL } = first.settings;
    expect(await onlyValue(SOURCE_DATABASE_URL, 'SELECT DATABASE()')).toBe('plus');
    expect(await onlyValue(MAIN_DATABASE_URL, 'SELECT DATABASE()')).toBe('mia');
    expect(await onlyValue(LEDGER_DATABASE_URL, 'SELECT DATABASE()')).toBe('ledger');
    expect(await redisPing(REDIS_URL)).toBe('PONG');

    const lines = (await readFile(join(folder, 'local.env'), 'utf8')).split('\n');
    for (const [name, value] of Object.entries(first.settings)) expect(lines).toContain(`${name}=${value}`);
    for (const file of ['local.env', 'local/state.json', 'local/mariadb.json', 'local/redis.json']) {
      expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
    }
  });

  it('are as careful with commits as production', async () => {
    expect(await onlyValue(first.settings.MAIN_DATABASE_URL, 'SELECT @@innodb_flush_log_at_trx_commit')).toBe(1);
  });

  it('are kept by a second up', async () => {
    const second = await up(folder);
    expect(second.started).toBe(false);
    expect(places(second)).toEqual(places(first));
    expect(await status(folder)).toMatchObject({ mariadb: 'up', redis: 'up', settings: first.settings });
  });

  it('let nobody in without a password', async () => {
    const port = first.mariadb.port;
    for (const user of ['root', 'mysql', '', 'tidemark', 'mariadb.sys']) {
      await expect(connectMysql({ host: '127.0.0.1', port, user })).rejects.toMatchObject({
        errno: expect.any(Number),
      });
    }
    const accounts =
      "SELECT GROUP_CONCAT(User, '@', Host ORDER BY 1) FROM mysql.global_priv WHERE Priv NOT LIKE '%account_locked\":true%'";
    expect(await onlyValue(first.settings.MAIN_DATABASE_URL, accounts)).toBe('tidemark@127.0.0.1,tidemark@localhost');
    await expect(redisPing(`redis://127.0.0.1:${first.redis.port}`)).rejects.toThrow();
  });

  it('keep their passwords off the command line', async () => {
    const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'args=']);
    expect(stdout).toContain(`--port=${first.mariadb.port}`);
    expect(stdout).not.toContain(first.mariadb.password);
    expect(stdout).not.toContain(first.redis.password);
  });

  it('listen on 127.0.0.1 only', async () => {
    const others = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
      .map(({ address }) => address);
    for (const port of [first.mariadb.port, first.redis.port]) {
      expect(await connects(port)).toBe(true);
      for (const address of ['127.0.0.2', ...others]) expect(await connects(port, address)).toBe(false);
    }
  });

  it('are started again on the same port when MariaDB was killed, with what was committed', async () => {
    const url = first.settings.MAIN_DATABASE_URL;
    await withMysql(url, async (connection) => {
      await connection.query('CREATE TABLE kept (id INT PRIMARY KEY)');
      await connection.query('INSERT INTO kept VALUES (42)');
    });
    process.kill(first.mariadb.pid, 'SIGKILL');
    const again = await up(folder);
    expect(again.started).toBe(true);
    expect(again.settings).toEqual(first.settings);
    expect(again.mariadb.pid).not.toBe(first.mariadb.pid);
    expect(again.redis.pid).toBe(first.redis.pid);
    expect(await onlyValue(url, 'SELECT id FROM kept')).toBe(42);
  });

  it('are replaced when they are frozen', async () => {
    const before = await up(folder);
    process.kill(before.mariadb.pid, 'SIGSTOP');
    process.kill(before.redis.pid, 'SIGSTOP');
    const after = await up(folder);
    expect(after.mariadb.pid).not.toBe(before.mariadb.pid);
    expect(after.redis.pid).not.toBe(before.redis.pid);
    expect(await redisPing(after.settings.REDIS_URL)).toBe('PONG');
    expect(await onlyValue(after.settings.MAIN_DATABASE_URL, 'SELECT id FROM kept')).toBe(42);
  });

  it('stop with down, and a later up has the data, even when another program took the port', async () => {
    const before = await up(folder);
    expect(await down(folder)).toEqual({ wasRunning: true });
    expect(await connects(before.mariadb.port)).toBe(false);
    expect(await connects(before.redis.port)).toBe(false);
    expect(existsSync(join(folder, 'local.env'))).toBe(false);
    expect(existsSync(join(folder, 'local/state.json'))).toBe(false);
    expect(await status(folder)).toMatchObject({ mariadb: 'down', redis: 'down', settings: undefined });
    expect(await down(folder)).toEqual({ wasRunning: false });

    const squatter = createServer().listen(before.mariadb.port, '127.0.0.1');
    await once(squatter, 'listening');
    const after = await up(folder);
    squatter.close();
    expect(after.mariadb.port).not.toBe(before.mariadb.port);
    expect(await onlyValue(after.settings.MAIN_DATABASE_URL, 'SELECT id FROM kept')).toBe(42);
  });

  it('are forgotten by down with erase', async () => {
    expect(await down(folder, { erase: true })).toEqual({ wasRunning: true });
    expect(existsSync(join(folder, 'local'))).toBe(false);
    expect(await status(folder)).toMatchObject({ mariadb: 'never started', redis: 'never started' });
  });
});

it('two ups in two processes at the same time end with the same servers', async () => {
  const folder = newFolder('twice');
  const [one, other] = await Promise.all([upElsewhere(folder), upElsewhere(folder)]);
  expect(places(one)).toEqual(places(other));
  expect([one.started, other.started].sort()).toEqual([false, true]);
  expect(await onlyValue(one.settings.MAIN_DATABASE_URL, 'SELECT 1')).toBe(1);
});

it('an up that is killed at any moment leaves nothing that the next up cannot use', async () => {
  const folder = newFolder('killed');
  const temporary = join(root, 'tmp');
  await mkdir(temporary);
  const env = { ...process.env, TMPDIR: temporary };
  for (const delay of [50, 250, 450, 550, 650, 750]) {
    const code = `import(${JSON.stringify(localModule)}).then((m) => { console.log('begins'); return m.up(${JSON.stringify(folder)}); })`;
    const child = spawn(process.execPath, ['--import', 'tsx', '-e', code], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill('SIGKILL');
    await closed;
  }
  const servers = await upElsewhere(folder, env);
  expect(await onlyValue(servers.settings.MAIN_DATABASE_URL, 'SELECT 1')).toBe(1);
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'stat=,args=']);
  const running = stdout.split('\n').filter((line) => !line.startsWith('Z') && line.includes(`--datadir=${temporary}`));
  expect(running).toHaveLength(1);
  await down(folder);
  expect((await readdir(temporary)).filter((name) => name.startsWith('tidemark-'))).toEqual([]);
  expect((await readdir(join(folder, 'local'))).filter((name) => name.includes('.new-'))).toEqual([]);
});

it('a folder with spaces and a long path works', async () => {
  const folder = newFolder(join('with a space', 'x'.repeat(120), 'y'.repeat(120), "and 'quotes'"));
  await mkdir(folder, { recursive: true });
  const servers = await up(folder);
  await withMysql(servers.settings.MAIN_DATABASE_URL, async (connection) => {
    await connection.query(`CREATE TABLE ${'t'.repeat(64)} (id INT)`);
  });
  expect(await redisPing(servers.settings.REDIS_URL)).toBe('PONG');
});

it('a path that is too long for MariaDB is refused with a reason', async () => {
  await expect(up(join(root, ...Array.from({ length: 5 }, () => 'z'.repeat(100))))).rejects.toMatchObject({
    exitCode: 78,
    message: expect.stringContaining('so long a path'),
  });
});

it('missing programs are explained with a line for apt, for Homebrew and for Docker', async () => {
  const folder = join(root, 'nothing here');
  const lookup = { find: () => undefined, aptPrefix: () => undefined };
  const failure = await up(folder, { lookup }).then(
    () => undefined,
    (error) => error,
  );
  expect(failure).toMatchObject({ name: 'SetupError', exitCode: 78 });
  expect(failure.message).toContain('mariadbd, mariadb-install-db, redis-server, flock');
  expect(failure.message).toContain('apt-get install -y --no-install-recommends mariadb-server redis-server');
  expect(failure.message).toContain('brew install mariadb redis flock');
  expect(failure.message).toContain('docker compose up -d');
  expect(existsSync(folder)).toBe(false);
});

describe('servers for tests', () => {
  it('are shared by the test files of a run', async () => {
    const database = await newDatabase(inject('servers'));
    expect(await onlyValue(database.url, 'SELECT DATABASE()')).toBe(database.name);
    await database.drop();
  });

  it('can be killed and started again with what was committed, and leave nothing behind', async () => {
    const servers = await startTestServers();
    const { addresses } = servers;
    const { name } = await newDatabase(addresses);
    await withMysql(mysqlUrl(addresses, name), async (connection) => {
      await connection.query('CREATE TABLE kept (id INT PRIMARY KEY)');
      await connection.query('INSERT INTO kept VALUES (7)');
    });
    await servers.killMariadb();
    expect(await connects(addresses.mariadb.port)).toBe(false);
    await servers.restartMariadb();
    expect(await onlyValue(mysqlUrl(addresses, name), 'SELECT id FROM kept')).toBe(7);
    await servers.killRedis();
    expect(await connects(addresses.redis.port)).toBe(false);
    await servers.restartRedis();
    expect(await connects(addresses.redis.port)).toBe(true);
    await servers.stop();
    expect(existsSync(servers.folder)).toBe(false);
    expect(await connects(addresses.mariadb.port)).toBe(false);
  });

  it('die with the process that started them', async () => {
    const module = new URL('../support/servers.ts', import.meta.url).href;
    const code = `import(${JSON.stringify(module)}).then((m) => m.startTestServers()).then((s) => { console.log(JSON.stringify([s.folder, s.addresses])); setInterval(() => {}, 1000); })`;
    const child = spawn(process.execPath, ['--import', 'tsx', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const [folder, { mariadb, redis }] = JSON.parse(line.toString());
    expect(await connects(mariadb.port)).toBe(true);
    child.kill('SIGKILL');
    await expect.poll(() => existsSync(folder), { timeout: 10_000 }).toBe(false);
    expect(await connects(mariadb.port)).toBe(false);
    expect(await connects(redis.port)).toBe(false);
  });
});
