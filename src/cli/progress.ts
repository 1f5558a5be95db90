/** A progress bar a shard, on stderr, when a person is watching; with rows a second and the time left. */
import type { Setting } from '../engine/run.ts';

export interface Progress extends NonNullable<Setting['progress']> {
  stop(): void;
}

/** @returns null where nobody is watching */
export async function openProgress(job: string, wanted: boolean): Promise<Progress | null> {
  if (!wanted || !process.stderr.isTTY) return null;
  const { MultiBar, Presets } = (await import('cli-progress')).default;
  const bars = new MultiBar(
    {
      stream: process.stderr,
      format: '{title} {bar} {percentage}% {value}/{total} rows {speed} rows/s, {eta_formatted} left',
      hideCursor: true,
      barsize: 24,
      emptyOnZero: true,
      gracefulExit: false, // signals are ours
      autopadding: true,
    },
    Presets.shades_classic,
  );
  const byShard = new Map<string, { startedAt: number; bar: ReturnType<typeof bars.create> }>();
  let stopped = false;
  return {
    total(shard, rows) {
      if (stopped || rows === 0) return;
      const title = (shard === '' ? job : `${job} ${shard}`).padEnd(job.length + 2);
      byShard.set(shard, { startedAt: Date.now(), bar: bars.create(rows, 0, { title, speed: '-' }) });
    },
    rows(shard, rows) {
      const entry = byShard.get(shard);
      if (entry === undefined) return;
      entry.bar.increment(rows);
      const seconds = (Date.now() - entry.startedAt) / 1000;
      const done = (entry.bar as unknown as { value: number }).value;
      entry.bar.update({ speed: Math.round(done / Math.max(seconds, 0.001)) });
    },
    stop() {
      if (!stopped && byShard.size > 0) bars.stop(); // without a bar it would print an empty line
      stopped = true;
    },
  };
}
