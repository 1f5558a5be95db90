/** What a schedule starts besides jobs: commands that look after the installation as a whole. */
import type { Job } from '../engine/job.ts';

export interface Chore {
  /** Behind `tidemark`. */
  readonly command: readonly string[];
  /** Five cron fields, in the business zone. */
  readonly schedule: string;
  /** What it is for. */
  readonly why: string;
  /** The database that it works on; where that has no address, it is left out. */
  readonly database?: Job['target'];
  /** It is of no use before alarms have a channel. */
  readonly needsChannel?: true;
  /** It prints something when all is well, too: a schedule keeps that for bad news. */
  readonly talksAlways?: true;
  /** The daemon ends one that takes longer; without it, after an hour. */
  readonly timeLimitSeconds?: number;
}
