/** What a benchmark is: it runs on servers of its own and answers with figures, a table for people, and closing lines. */

export interface Options {
  /** Rows of commission in the source. */
  readonly rows: number;
  readonly rounds: number;
  readonly pairs: number;
  /** Tells people what is going on. */
  readonly note: (line: string) => void;
}

export interface Report {
  /** Everything that was measured, for --json. */
  readonly figures: Readonly<Record<string, unknown>>;
  /** How it was measured: what a reader must know to judge the figures. */
  readonly method: readonly string[];
  readonly head: readonly string[];
  readonly table: readonly (readonly string[])[];
  readonly closing: readonly string[];
}

export interface Benchmark {
  readonly summary: string;
  run(options: Options): Promise<Report>;
}
