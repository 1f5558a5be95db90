/**
 * One at a time on a folder, over all processes of this machine.
 *
 * Promises: `work` runs while no other process runs under the same lock file. Needs flock(1).
 * In a crash the lock falls by itself: a small child holds it, and ends as soon as the pipe from us closes.
 * The lock file is never deleted; deleting it would let two in.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { UnavailableError } from '../errors.ts';

const patienceSeconds = 180;

export async function withLock<T>(flock: string, file: string, work: () => Promise<T>): Promise<T> {
  const parameters = ['--exclusive', '--wait', String(patienceSeconds), file, 'sh', '-c', 'echo locked; exec cat'];
  const holder = spawn(flock, parameters, { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  holder.stdin.on('error', () => {});
  let complaint = '';
  holder.stderr.on('data', (bytes) => {
    complaint += bytes;
  });
  const ended = once(holder, 'close');
  ended.catch(() => {});
  try {
    const granted = await Promise.race([once(holder.stdout, 'data').then(() => true), ended.then(() => false)]);
    if (!granted) {
      const reason = complaint.trim() || `another command has held it for ${patienceSeconds} seconds`;
      throw new UnavailableError(
        `cannot lock ${file}: ${reason}`,
        'wait for the other `tidemark local` command, then type it again',
      );
    }
    return await work();
  } finally {
    holder.stdin.end();
    await ended.catch(() => {});
  }
}
