/**
 * Alarms to a command of one's own: a shell line that gets the JSON on its standard input, and the gist of it in
 * variables. Whoever does not end in time is killed, with all that it has started.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { environmentWith } from '../platform/config.ts';
import type { Channel } from './channel.ts';
import type { Message } from './message.ts';

const saidMax = 200;
/** A variable holds 128 KB; all of it is in the JSON. */
const textMax = 30_000;

export const commandChannel = (line: string, timeoutMs: number): Channel => ({
  name: 'command',
  send: (message) => run(line, message, timeoutMs),
});

function run(line: string, message: Message, timeoutMs: number): Promise<null> {
  return new Promise((resolve, reject) => {
    const env = environmentWith({
      TIDEMARK_ALARM_SUBJECT: message.subject,
      TIDEMARK_ALARM_TEXT: message.text(textMax),
      TIDEMARK_ALARM_GRAVITY: message.gravity,
    });
    const child = spawn('/bin/sh', ['-c', line], { env, detached: true, stdio: ['pipe', 'ignore', 'pipe'] });
    let said = '';
    const limit = setTimeout(() => {
      if (isKilled(child)) reject(new Error(`not done within ${timeoutMs} ms, and killed`));
      child.stderr.destroy(); // what has left the group may hold it open: the line itself has ended, and is judged by that
    }, timeoutMs);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-saidMax);
    });
    child.stdin.on('error', () => undefined); // it may not want to read
    child.stdin.end(`${JSON.stringify(message.json())}\n`);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(limit);
      if (code === 0) resolve(null);
      else reject(new Error([`exit ${code ?? signal}`, said.trim().split('\n').at(-1)].filter(Boolean).join(': ')));
    });
  });
}

/** Ends a process with its group. @returns false when nobody of the group is left */
function isKilled({ pid }: ChildProcess): boolean {
  try {
    return pid !== undefined && process.kill(-pid, 'SIGKILL');
  } catch {
    return false;
  }
}
