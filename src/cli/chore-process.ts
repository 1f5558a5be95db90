/** A chore of the daemon, in a process of its own: chores print, and nothing of them may stay in the daemon. */
import { spawn } from 'node:child_process';

interface ChoreLimits {
  readonly limitMs: number;
  /** What it may still take when it was told to end. */
  readonly graceMs: number;
  /** Given when the daemon ends. */
  readonly stop: AbortSignal;
}

interface ChoreEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
  readonly isOutOfTime: boolean;
}

const saidMax = 10_000;

/** Runs it to its end. One that hangs must not: the schedule would leave out every start behind it. */
export function runChore(
  program: string,
  words: readonly string[],
  { limitMs, graceMs, stop }: ChoreLimits,
): Promise<ChoreEnd> {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let isOutOfTime = false;
  let lastResort: NodeJS.Timeout | undefined;
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < saidMax) said += text;
    });
  const end = () => {
    child.kill('SIGTERM');
    lastResort ??= setTimeout(() => {
      child.kill('SIGKILL');
      for (const stream of [child.stdout, child.stderr]) stream.destroy(); // what it has started may hold them open
    }, graceMs);
  };
  const limit = setTimeout(() => {
    isOutOfTime = true;
    end();
  }, limitMs);
  if (stop.aborted) end();
  stop.addEventListener('abort', end);
  const over = () => {
    clearTimeout(limit);
    clearTimeout(lastResort);
    stop.removeEventListener('abort', end);
  };
  return new Promise<ChoreEnd>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, said: said.trim(), isOutOfTime }));
  }).finally(over);
}
