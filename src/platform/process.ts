/** Programs of this host, and processes by their numbers. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';

/** Whether this user may run the file. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Whether a process is there and was there at an instant (ms): numbers are given again. */
export function livesSince(pid: number, since: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const startedAt = startOf(pid);
  return startedAt === null || startedAt < since + 5000;
}

/** When a process began, where the kernel tells it; it counts in hundredths of a second since it started itself. */
function startOf(pid: number): number | null {
  try {
    const behindName = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '');
    const ticks = Number(behindName.trim().split(' ')[19]);
    const booted = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
    return (booted + ticks / 100) * 1000;
  } catch {
    return null;
  }
}
