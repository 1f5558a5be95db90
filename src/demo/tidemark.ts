/**
 * Runs `tidemark` commands for the demonstration, each as a process of its own, as cron or a person would.
 *
 * The private servers' settings are put into the environment, where they win over every file: whatever a `.env` says,
 * the demonstration touches no other server.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { environmentWith, ownFolder } from '../platform/config.ts';
import { JobError } from '../platform/errors.ts';
import type { LocalSettings } from '../platform/local/index.ts';
import type { Reader } from '../platform/mysql.ts';
import { grouped, seconds } from './stage.ts';

export type Environment = NodeJS.ProcessEnv;

const program = join(ownFolder, 'bin', 'tidemark');

/** This process's environment, with the private servers' settings. */
export function demoEnvironment(settings: LocalSettings): Environment {
  return environmentWith({ ...settings, TIDEMARK_LOG_LEVEL: 'warn' });
}

/** The program as one would type it in the working folder. */
export function programHere(): string {
  if (process.cwd() === ownFolder) return 'bin/tidemark';
  return /^[\w./+@-]+$/.test(program) ? program : `'${program.replaceAll("'", "'\\''")}'`;
}

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly ms: number;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/**
 * Starts a command and keeps what it prints.
 *
 * @param bars its stderr is ours, so that it shows progress bars where a person is watching; else its complaints are
 * passed on when it ends
 */
export function start(args: readonly string[], environment: Environment, bars: boolean): Started {
  const startedAt = Date.now();
  const child = spawn(program, [...args], { env: environment, stdio: ['ignore', 'pipe', bars ? 'inherit' : 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      process.stderr.write(stderr);
      resolve({ code, stdout, ms: Date.now() - startedAt });
    });
  });
  return { child, ended };
}

/** @throws JobError when the command does not end with 0 */
export async function tidemark(args: readonly string[], environment: Environment, bars = false): Promise<Ended> {
  const ended = await start(args, environment, bars).ended;
  if (ended.code === 0) return ended;
  const how = ended.code === null ? 'was ended by a signal' : `ended with exit code ${ended.code}`;
  throw new JobError(
    `the demonstration stops here: \`tidemark ${args.join(' ')}\` ${how}${ended.stdout === '' ? '' : `:\n${ended.stdout.trimEnd()}`}`,
    'tidemark demo, which begins again from nothing',
  );
}

export interface RunCounts {
  readonly read: number;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly ms: number;
}

/** Runs a job, and says what it did: from its own rows in the history of runs. */
export async function runJob(job: string, environment: Environment, main: Reader, bars = false): Promise<RunCounts> {
  const [before] = await main.tuples('SELECT IFNULL(MAX(sequence), 0) FROM tidemark_run');
  const { ms } = await tidemark(['run', job], environment, bars);
  const [counts] = await main.tuples(
    `SELECT IFNULL(SUM(rows_read), 0), IFNULL(SUM(inserted), 0), IFNULL(SUM(updated), 0), IFNULL(SUM(unchanged), 0)
       FROM tidemark_run WHERE job = ? AND sequence > ?`,
    [job, String(before?.[0] ?? 0)],
  );
  const [read, inserted, updated, unchanged] = (counts ?? []).map(Number) as [number, number, number, number];
  return { read, inserted, updated, unchanged, ms };
}

export const did = ({ read, inserted, updated, ms }: RunCounts) =>
  `${grouped(read)} rows read, ${grouped(inserted)} inserted, ${grouped(updated)} updated, in ${seconds(ms)}`;
