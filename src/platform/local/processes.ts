/**
 * Ports, and programs that outlive the one that starts them.
 *
 * Promises: a server is started in a session of its own (Ctrl-C does not reach it), its output goes to a file, and
 * nobody waits for it. Servers are found again by what stands on their command line, never by a bare process id, which
 * may belong to someone else by now; and a dead process that nobody has reaped counts as gone.
 * Needs /proc, or else ps. A crash of ours leaves the server running: the next `up` finds it by its record.
 */
import { execFile, spawn } from 'node:child_process';
import { open, readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { UnavailableError } from '../errors.ts';
import { lastLines, readFrom, sizeOf } from './files.ts';

export const localHost = '127.0.0.1';

/** Another program took the port between our look and the server's start. */
class PortTakenError extends Error {}

interface RunningProcess {
  readonly pid: number;
  /** The command line, its words separated by spaces. */
  readonly line: string;
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: localHost, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
    });
  });
}

/** Starts something on the preferred port when it is free, else on another; again when it is taken meanwhile. */
export async function onFreePort<T>(preferred: number | undefined, start: (port: number) => Promise<T>): Promise<T> {
  let wish = preferred ?? 0;
  for (let attempt = 1; ; attempt++) {
    const port = await listenOnce(wish).catch(() => listenOnce(0));
    try {
      return await start(port);
    } catch (error) {
      if (!(error instanceof PortTakenError) || attempt === 5) throw error;
      wish = 0;
    }
  }
}

export interface ServerStart {
  /** What people call it: `MariaDB`. */
  readonly name: string;
  readonly program: string;
  readonly parameters: readonly string[];
  readonly folder: string;
  readonly logFile: string;
  /** Given to the server's standard input: for what must not stand on a command line. */
  readonly input?: string;
  /** Whether the server answers with its own password. */
  readonly ping: () => Promise<boolean>;
  /** Is told the process id at once, before the server is ready. */
  readonly spawned?: ((pid: number) => void) | undefined;
}

function serverEnvironment(): NodeJS.ProcessEnv {
  const {
    MYSQL_TCP_PORT: _port,
    MYSQL_UNIX_PORT: _socket,
    MYSQL_HOME: _home,
    NOTIFY_SOCKET: _notify,
    ...rest
  } = process.env;
  return rest;
}

/**
 * Starts a server and waits until it answers.
 *
 * @throws UnavailableError with the end of its log when it ends by itself or is silent for a minute
 */
export async function startServer(start: ServerStart): Promise<number> {
  const offset = await sizeOf(start.logFile);
  const log = await open(start.logFile, 'a', 0o600);
  let ended: string | undefined;
  const child = spawn(start.program, start.parameters, {
    cwd: start.folder,
    env: serverEnvironment(),
    detached: true,
    stdio: [start.input === undefined ? 'ignore' : 'pipe', log.fd, log.fd],
  });
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    ended = `it ended with ${signal ?? `exit code ${code}`}`;
  });
  child.stdin?.on('error', () => {});
  child.stdin?.end(start.input);
  child.unref();
  if (child.pid !== undefined) start.spawned?.(child.pid);
  await log.close();

  const deadline = Date.now() + 60_000;
  while (ended === undefined && Date.now() < deadline) {
    if (await start.ping()) return child.pid as number;
    await sleep(20);
  }
  if (ended === undefined) child.kill('SIGKILL');
  const said = (await readFrom(start.logFile, offset)).toString();
  if (/address already in use/i.test(said)) throw new PortTakenError(`${start.name}: the port was taken meanwhile`);
  const reason = ended ?? 'it did not answer within 60 seconds';
  throw new UnavailableError(
    `the private ${start.name} does not start: ${reason}\n${lastLines(said)}`,
    `less ${start.logFile}`,
  );
}

async function fromProc(): Promise<RunningProcess[]> {
  const found: RunningProcess[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const line = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (line !== '') found.push({ pid: Number(entry), line: line.replaceAll('\0', ' ') });
  }
  return found;
}

async function fromPs(): Promise<RunningProcess[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,stat=,args='], { maxBuffer: 1 << 26 });
  return [...stdout.matchAll(/^\s*(\d+)\s+([^\sZ]\S*)\s+(.*)$/gm)].map(([, pid, , line]) => ({
    pid: Number(pid),
    line: line ?? '',
  }));
}

type Match = (candidate: RunningProcess) => boolean;

async function alive(match: Match): Promise<RunningProcess[]> {
  const all = process.platform === 'linux' ? await fromProc() : await fromPs();
  return all.filter(match);
}

/** Waits until no such process is left. False when the time is over. */
export async function waitGone(match: Match, limitMs: number): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  while ((await alive(match)).length > 0) {
    if (Date.now() > deadline) return false;
    await sleep(30);
  }
  return true;
}

/** Kills what is left of a server, hard, and what it starts meanwhile. Says whether there was anything. */
export async function killLeftovers(match: Match): Promise<boolean> {
  const deadline = Date.now() + 10_000;
  for (let any = false; ; any = true) {
    const found = await alive(match);
    if (found.length === 0 || Date.now() > deadline) return any;
    for (const { pid } of found) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone by itself.
      }
    }
    await sleep(20);
  }
}

/** What the promise gives, or an error after the time. */
export async function within<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    promise.catch(() => {});
  }
}
