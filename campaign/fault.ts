/** What a kind of campaign is: a fault, what runs may do under it, and the controls that it must catch. */
import type { ControlName } from './controls/list.ts';
import type { Random } from './random.ts';
import type { Expectations, Running, Runs } from './runs.ts';
import type { Stage } from './stage.ts';

/** What a fault works with. */
export interface Scene {
  readonly stage: Stage;
  readonly random: Random;
  readonly runs: Runs;
  /** Given when the faults must stop. */
  readonly signal: AbortSignal;
  readonly note: (line: string) => void;
  /** Sleeps, but not beyond the end of the faults. */
  pause(ms: number): Promise<void>;
}

export interface Fault {
  /** Where runs reach the servers, when not at their own ports. */
  readonly ports?: { readonly source: number; readonly main: number; readonly redis: number };
  /** Is shown each process as it starts. */
  meet?(running: Running): void;
  /** Works until the signal is given. */
  wreak?(): Promise<void>;
  /** Puts everything right, so that what follows runs undisturbed. */
  end(): Promise<void>;
  figures(): Readonly<Record<string, number>>;
}

export interface Kind extends Expectations {
  readonly name: string;
  readonly summary: string;
  readonly stallTimeoutMs: number;
  /** Whether the ledger may answer its callers that nobody knows: where it cannot be reached. */
  readonly unknownAnswers: boolean;
  /** Loops of short runs over the shards that are written to. */
  readonly loops: number;
  readonly controls: readonly ControlName[];
  /** The figure that the last line tells. */
  readonly headline: string;
  begin(scene: Scene): Promise<Fault>;
}
