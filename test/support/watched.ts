/** Runs of the command whose memory is watched; Linux tells of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { tidemarkPath, type World } from './world.ts';

export interface Watched {
  readonly code: number;
  /** What it told, results and complaints. */
  readonly output: string;
  /** The most memory that it has had; 0 elsewhere than on Linux. */
  readonly peakMb: number;
  readonly seconds: number;
}

/** Runs the command with a world's settings, and waits for its end. */
export async function watched({ settings }: World, args: readonly string[]): Promise<Watched> {
  const startedAt = Date.now();
  const child = spawn(tidemarkPath, [...args], { env: { PATH: process.env.PATH, ...settings } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  let peakKb = 0;
  const watch = setInterval(() => {
    try {
      const [, kb] = /VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
      peakKb = Math.max(peakKb, Number(kb ?? 0));
    } catch {
      // It has ended.
    }
  }, 50);
  const [code] = await once(child, 'close');
  clearInterval(watch);
  return { code: code as number, output, peakMb: peakKb / 1024, seconds: (Date.now() - startedAt) / 1000 };
}
