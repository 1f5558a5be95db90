/** A progress bar a shard, on stderr, when a person is watching; with rows a second and the time left. */
import type { Setting } from '../engine/run.ts';

export interface Progress extends NonNullable<Setting['progress']> {
  stop(): void;
}

const barMax = 24;
/** A shorter bar shows nothing. */
const barLeast = 6;

const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** `1:05:09`, `5:09`. */
function clock(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts
    .slice(parts[0] === 0 ? 1 : 0)
    .map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, '0')))
    .join(':');
}

interface Bar {
  readonly title: string;
  readonly value: number;
  readonly total: number;
  readonly seconds: number;
}

/** A line that fits the terminal: on a narrow one the bar is short, then gone, then the end is cut off. */
export function barLine({ title, value, total, seconds }: Bar, columns: number): string {
  const done = total === 0 ? 1 : Math.min(1, value / total);
  const rate = seconds < 0.5 ? 0 : value / seconds;
  const left =
    done === 1
      ? `took ${clock(Math.round(seconds))}`
      : rate === 0
        ? ''
        : `${clock(Math.ceil((total - value) / rate))} left`;
  const rows = `${short.format(value)} of ${short.format(total)} rows`;
  const speed = rate === 0 ? '' : `${short.format(Math.round(rate))}/s`;
  const end =
    `${String(Math.floor(done * 100)).padStart(3)}% ${rows.padEnd(20)} ${speed.padStart(6)}  ${left}`.trimEnd();
  const room = Math.min(barMax, columns - 1 - title.length - end.length - 2);
  const filled = Math.round(done * room);
  const bar = room < barLeast ? '' : `${'█'.repeat(filled)}${'░'.repeat(room - filled)} `;
  return `${title} ${bar}${end}`.slice(0, columns - 1);
}

/** @returns null where nobody is watching */
export async function openProgress(job: string, wanted: boolean): Promise<Progress | null> {
  if (!wanted || !process.stderr.isTTY) return null;
  const { MultiBar, Presets } = (await import('cli-progress')).default;
  const bars = new MultiBar(
    {
      stream: process.stderr,
      format: (_, { value, total, startTime, stopTime }, { title }) => {
        const seconds = ((stopTime ?? Date.now()) - startTime) / 1000;
        return barLine({ title, value, total, seconds }, process.stderr.columns || 80);
      },
      hideCursor: true,
      emptyOnZero: true,
      gracefulExit: false, // signals are ours
    },
    Presets.shades_classic,
  );
  const byShard = new Map<string, ReturnType<typeof bars.create>>();
  let stopped = false;
  return {
    total(shard, rows) {
      if (stopped || rows === 0) return;
      const title = (shard === '' ? job : `${job} ${shard}`).padEnd(job.length + 2);
      byShard.set(shard, bars.create(rows, 0, { title }));
    },
    rows(shard, rows) {
      byShard.get(shard)?.increment(rows);
    },
    stop() {
      if (!stopped && byShard.size > 0) bars.stop(); // without a bar it would print an empty line
      stopped = true;
    },
  };
}
