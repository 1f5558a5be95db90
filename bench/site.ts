/**
 * Where a benchmark runs: private servers that write every commit through, and a small platform on them.
 *
 * Promises: the servers and their files are gone afterwards, also after Ctrl-C; nothing else on the machine is used.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { fillSource } from '../src/demo/sample-data.ts';
import { startTestServers } from '../test/support/servers.ts';
import { World, type WorldOptions } from '../test/support/world.ts';

export interface Site {
  readonly world: World;
  /** What the figures depend on: versions, and where the data lies. */
  readonly about: string;
  /** Runs a program to its end with the settings in its environment, and takes the time of the whole process. */
  time(program: string, args: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Timed>;
}

interface Timed {
  readonly ms: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The person or the system wants the benchmark to stop. */
export class StoppedError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super('interrupted');
    this.exitCode = exitCode;
  }
}

const root = fileURLToPath(new URL('..', import.meta.url));
export const tidemark = fileURLToPath(new URL('../bin/tidemark', import.meta.url));

export async function withSite<Result>(
  work: (site: Site) => Promise<Result>,
  options: WorldOptions = {},
): Promise<Result> {
  const servers = await startTestServers();
  const stop = new AbortController();
  const stopped = new Promise<never>((_, reject) => {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.once(signal, () => {
        reject(new StoppedError(code));
        stop.abort();
      });
    }
  });
  let world: World | undefined;
  try {
    world = await Promise.race([World.create(servers.addresses, options), stopped]);
    return await Promise.race([work(openSite(world, servers.folder, stop.signal)), stopped]);
  } finally {
    // After Ctrl-C a statement may still be running, and holds up the dropping of its database.
    await Promise.race([world?.destroy().catch(() => undefined), sleep(5000, undefined, { ref: false })]);
    await servers.stop();
  }
}

function openSite(world: World, folder: string, signal: AbortSignal): Site {
  const ledger = world.settings.LEDGER_DATABASE_URL === undefined ? [] : [world.ledger];
  for (const session of [world.source, world.main, ...ledger]) session.keepWarm(60_000);
  const inMemory = folder.startsWith('/dev/shm');
  return {
    world,
    about: `Node ${process.versions.node}, ${world.main.facts.version}, data ${inMemory ? 'in memory (writing through costs little)' : 'on disk'}`,
    time: (program, args, environment = {}) =>
      timeProcess(program, args, { ...world.settings, ...environment }, signal),
  };
}

/** Sample rows that end well in the past, and statistics as a server has them that has run for a while. */
export async function fill({ world }: Site, rows: number): Promise<void> {
  const end = world.zone.border(Date.now() - 600_000);
  await fillSource(world.source, { rows, users: Math.ceil(rows / 20), days: 30, end, seed: 1 }, world.zone);
  const shards = Array.from({ length: 10 }, (_, shard) => `plus_commission_log_${shard}`);
  await world.source.rows(`ANALYZE TABLE ${shards.join(', ')}`);
}

/** @throws Error when the program does not end with 0 */
function timeProcess(
  program: string,
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Timed> {
  const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', ...settings };
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    execFile(program, [...args], { cwd: root, env, signal }, (error, stdout, stderr) => {
      const ms = performance.now() - startedAt;
      if (error === null) resolve({ ms, stdout, stderr });
      else reject(new Error(`${program} ${args.join(' ')} failed: ${stderr || error.message}`));
    });
  });
}
