/** What a campaign answers, and what of it is read from its processes and writers. */
import type { ControlVerdict } from './control-crew.ts';
import type { Runs } from './runs.ts';
import type { WriterReport } from './writers.ts';

export interface Verdict {
  readonly kind: string;
  readonly seed: number;
  readonly seconds: number;
  readonly passed: boolean;
  /** Somebody ended the load early: nothing is proven, though nothing may have been found. */
  readonly interrupted: boolean;
  readonly gaps: number;
  readonly repeats: number;
  /** Counts are numbers, fen are bigint. */
  readonly figures: Readonly<Record<string, number | bigint>>;
  /** How often undisturbed runs ended with which code. */
  readonly codes: Readonly<Record<string, number>>;
  readonly controls: readonly ControlVerdict[];
  readonly failures: readonly string[];
  /** Where the servers' data and the log of the campaign are, after a failure. */
  readonly keptIn: string | null;
}

/** What processes and writers met that should not be. */
export function troublesOf(runs: Runs, { errors }: WriterReport): string[] {
  const failures: string[] = [];
  if (runs.complained > 0)
    failures.push(`${runs.complained} times a process ended or spoke as it should not: ${runs.complaints.join(' | ')}`);
  for (const [code, count] of errors) failures.push(`${count} errors ${code} of writers`);
  return failures;
}

/** Controls whose mistake was not found. Who stops a campaign early has not given it the time. */
export function uncaught(controls: readonly ControlVerdict[]): string[] {
  return controls
    .filter(({ found }) => found === 0)
    .map(({ name, mistake, evidence }) => `the control ${name} (${mistake}) was not caught: no ${evidence} found`);
}

export function figuresOf(
  { tallies }: Runs,
  ofFault: Readonly<Record<string, number>>,
  { transactions, rolledBack, statements, moves, tableLocks, connectionsLost }: WriterReport,
): Record<string, number> {
  return {
    runs: tallies.run.started,
    'seconds of the longest run': Math.round(tallies.run.longestMs / 1000),
    ...ofFault,
    transactions,
    'rolled back': rolledBack,
    'single statements': statements,
    'rows moved between shards': moves,
    'table locks': tableLocks,
    'connections that writers lost': connectionsLost,
  };
}
