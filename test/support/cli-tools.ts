/**
 * What tests of the command line share: a run that can be signalled while it works, what it told, everything that it
 * could have changed, and rows and accounts to try it with.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { expect } from 'vitest';
import { type Cell, Session } from '../../src/platform/mysql.ts';
import type { CliResult, World } from './world.ts';

export const bin = fileURLToPath(new URL('../../bin/tidemark', import.meta.url));

export interface RunningCli {
  readonly ended: Promise<CliResult>;
  signal(name: NodeJS.Signals): void;
}

/** A process that does not end by itself has failed its test. */
const lifeMs = 15_000;

/** `tidemark …` in a process of its own, from any folder, with no settings but the ones given. */
export function startCli(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  { program = bin, folder = '/' }: { program?: string; folder?: string } = {},
): RunningCli {
  const env = { PATH: process.env.PATH ?? '', ...environment };
  const child = spawn(program, [...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const told = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      told[stream] += text;
    });
  }
  const killer = setTimeout(() => child.kill('SIGKILL'), lifeMs);
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(killer);
      resolve({ ...told, code: code ?? -1 });
    });
  });
  return { ended, signal: (name) => child.kill(name) };
}

/** A run on stderr: sentences for people, and lines of the log. Anything else, a stack trace above all, fails the test. */
export function told({ stderr }: CliResult): { complaints: string[]; warnings: string[] } {
  const complaints: string[] = [];
  const warnings: string[] = [];
  for (const line of stderr.split('\n')) {
    if (line.startsWith('tidemark: ')) complaints.push(line);
    else if (line.startsWith('{')) warnings.push((JSON.parse(line) as { message: string }).message);
    else expect(line, stderr).toMatch(/^$|^\((tidemark --help lists all commands|Did you mean .*)\)$/);
  }
  return { complaints, warnings };
}

/** One sentence on stderr with all these parts, no result, and the exit code. */
export function expectComplaint(result: CliResult, code: number, ...parts: readonly (string | RegExp)[]): void {
  expect(result.code, result.stderr).toBe(code);
  const { complaints } = told(result);
  expect(complaints, result.stderr).toHaveLength(1);
  for (const part of parts) expect(complaints[0]).toMatch(part);
  expect(complaints[0]).not.toMatch(/should not happen|undefined|NaN|\[object/);
}

/** Not a word, and exit code 0. */
export function expectSilence(result: CliResult): void {
  expect(result).toEqual({ code: 0, stdout: '', stderr: '' });
}

export function json<Value = unknown>({ code, stdout, stderr }: CliResult, expectedCode = 0): Value {
  expect(code, stderr).toBe(expectedCode);
  expect(stdout.trim().split('\n'), stdout).toHaveLength(1);
  return JSON.parse(stdout) as Value;
}

/** Every row of every table of both databases, and every key in Redis. */
export async function everything(world: World): Promise<Record<string, Cell[][]>> {
  const all: Record<string, Cell[][]> = {};
  for (const session of [world.source, world.main]) {
    const tables = await session.tuples(
      'SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1',
    );
    for (const [table] of tables) all[`${session.database}.${table}`] = await world.all(session, String(table));
  }
  await withRedis(world, async (redis) => {
    const keys = (await redis.keys(`${world.settings.TIDEMARK_REDIS_PREFIX}*`)).sort();
    all.redis = await Promise.all(keys.map(async (key) => [key, await redis.get(key)]));
  });
  return all;
}

export async function withRedis<Result>({ settings }: World, work: (redis: Redis) => Promise<Result>): Promise<Result> {
  const redis = new Redis(settings.REDIS_URL as string);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

export interface Extension {
  id: number;
  user: number;
  nickname: string;
  updated: string | null;
}

/** Rows of user_extension, in the source unless another database is named. */
export async function addExtensions(session: Session, ...rows: readonly Partial<Extension>[]): Promise<void> {
  for (const { id = 1, user = id + 1000, nickname = `user ${user}`, updated = '2026-11-18 10:00:00' } of rows) {
    await session.write('INSERT INTO user_extension VALUES (?)', [
      [id, user, 1, null, nickname, 1, '2026-11-18 09:00:00', updated],
    ]);
  }
}

/** Many rows of commission of one user, one a second; quicker than one by one. */
export async function addManyCommissions(world: World, count: number, remarkBytes = 0): Promise<void> {
  await world.source.write(
    `INSERT INTO plus_commission_log_1 SELECT seq, 1001, CONCAT('SN', seq), seq, 1, 1, REPEAT('x', ${remarkBytes}), at, at
       FROM (SELECT seq, '2026-11-18 10:00:00' + INTERVAL seq SECOND at FROM seq_1_to_${count}) numbered`,
  );
}

export async function expectCopied(world: World): Promise<void> {
  expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
  expect(await world.all(world.main, 'user_extension')).toEqual(await world.all(world.source, 'user_extension'));
}

export function openSession(url: string): Promise<Session> {
  return Session.open({ url, label: 'test', setting: 'test', stallTimeoutMs: 600_000 });
}

/** A database account of one's own; `url` is the address of a database with it. */
export async function withAccount(
  world: World,
  grants: readonly string[],
  work: (account: { name: string; url(setting: string): string }) => Promise<void>,
): Promise<void> {
  const word = randomBytes(5).toString('hex');
  const name = `'guest_${word}'@'%'`;
  await world.main.write(`CREATE USER ${name} IDENTIFIED BY '${word}'`);
  const url = (setting: string) => {
    const address = new URL(world.settings[setting] as string);
    return `mysql://guest_${word}:${word}@${address.host}${address.pathname}`;
  };
  try {
    for (const grant of grants) await world.main.write(`GRANT ${grant} TO ${name}`);
    await work({ name, url });
  } finally {
    await world.main.write(`DROP USER ${name}`);
  }
}

/** Waits until a condition holds; fails the test when it does not within ten seconds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const endAt = Date.now() + 10_000; !(await condition()); await sleep(30)) {
    expect(Date.now(), 'waited in vain').toBeLessThan(endAt);
  }
}
