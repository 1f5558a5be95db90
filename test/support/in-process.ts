/** The command line in this process: quick enough to type hundreds of things. */
import { jobs } from '../../jobs/index.ts';
import { migrations, payOrders } from '../../migrations/index.ts';
import type { App } from '../../src/cli/app.ts';
import { main } from '../../src/cli/program.ts';
import type { CliResult } from './world.ts';

export const ownApp: App = { jobs, migrations, payOrders };

/** `tidemark …` with these settings and no others, standing in a folder. One at a time. */
export async function typed(
  args: readonly string[],
  { settings = {}, folder }: { settings?: Readonly<Record<string, string>>; folder: string },
): Promise<CliResult> {
  const before = { environment: { ...process.env }, folder: process.cwd() };
  const told = { stdout: '', stderr: '' };
  const write = { stdout: process.stdout.write, stderr: process.stderr.write };
  for (const name of Object.keys(process.env)) if (isSetting(name)) delete process.env[name];
  Object.assign(process.env, settings);
  process.chdir(folder);
  for (const stream of ['stdout', 'stderr'] as const)
    process[stream].write = ((text: string | Uint8Array, ...more: unknown[]) => {
      told[stream] += String(text);
      const done = more.find((one) => typeof one === 'function') as (() => void) | undefined;
      done?.();
      return true;
    }) as typeof process.stdout.write;
  try {
    return { code: await main(args, ownApp), ...told };
  } finally {
    Object.assign(process.stdout, { write: write.stdout });
    Object.assign(process.stderr, { write: write.stderr });
    process.env = before.environment;
    process.chdir(before.folder);
  }
}

const isSetting = (name: string) => /^(TIDEMARK_|REDIS_URL$|(SOURCE|MAIN|LEDGER)_DATABASE_URL$)/.test(name);
