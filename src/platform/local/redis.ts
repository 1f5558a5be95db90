/**
 * A private Redis server on 127.0.0.1, in memory only.
 *
 * Promises: it answers to its password only, which never stands on a command line. Needs redis-server.
 * It keeps nothing over a stop or a crash: what tidemark must not lose is in MariaDB.
 */
import { createConnection } from 'node:net';
import type { Binaries } from './binaries.ts';
import { killLeftovers, localHost, startServer, waitGone } from './processes.ts';

export interface RedisRecord {
  readonly port: number;
  readonly password: string;
  /** Known as soon as the server has answered once. */
  readonly pid?: number;
}

export interface RedisStart extends RedisRecord {
  /** The working folder; it exists. */
  readonly folder: string;
  readonly logFile: string;
  readonly spawned?: (pid: number) => void;
}

function configuration(start: RedisStart): string {
  return [
    `bind ${localHost}`,
    `port ${start.port}`,
    'protected-mode yes',
    `requirepass ${start.password}`,
    'appendonly no',
    'save ""',
    'daemonize no',
    'logfile ""',
    '',
  ].join('\n');
}

/**
 * Starts the server on its port and waits until it answers. Gives the process id.
 *
 * @throws UnavailableError with the end of its log
 */
export function startRedis(binaries: Binaries, start: RedisStart): Promise<number> {
  return startServer({
    name: 'Redis',
    program: binaries.redisServer,
    parameters: ['-'],
    folder: start.folder,
    logFile: start.logFile,
    input: configuration(start),
    ping: () => pingRedis(start),
    spawned: start.spawned,
  });
}

/** Logs in and sends one command of words without spaces. Gives all that the server says until it is done. */
function exchange(server: RedisRecord, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: localHost, port: server.port });
    let said = '';
    socket.setEncoding('utf8');
    socket.setTimeout(3000, () => socket.destroy(new Error('Redis does not answer')));
    socket.on('connect', () => socket.write(`AUTH ${server.password}\r\n${command}\r\nQUIT\r\n`));
    socket.on('data', (text) => {
      said += text;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(said));
  });
}

/** Whether the server answers with its own password. */
export async function pingRedis(server: RedisRecord): Promise<boolean> {
  const said = await exchange(server, 'PING').catch(() => '');
  return said.startsWith('+OK\r\n+PONG');
}

/** Redis writes its address over its command line; the process id alone might be somebody else's. */
function isOf(server: RedisRecord): (candidate: { pid: number; line: string }) => boolean {
  return ({ pid, line }) => pid === server.pid && line.includes('redis-server') && line.includes(`:${server.port}`);
}

/** Stops the server, hard when it does not obey. Says whether it was running. */
export async function stopRedis(server: RedisRecord): Promise<boolean> {
  const asked = await exchange(server, 'SHUTDOWN NOSAVE').then(
    (said) => said.startsWith('+OK'),
    () => false,
  );
  if (asked) await waitGone(isOf(server), 5000);
  const killed = await killLeftovers(isOf(server));
  return asked || killed;
}
