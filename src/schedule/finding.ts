/** What is found in a crontab, and what it is looked for with. */
import type { Job } from '../engine/job.ts';
import type { Install } from './crontab.ts';
import type { CronLine } from './crontab-lines.ts';
import type { Entry, Kind } from './timetable.ts';

export interface Finding {
  /** Null where it is about no line: one is missing. */
  readonly line: number | null;
  readonly text: string | null;
  /** `wrong` does not do what it should; `doubtful` may be meant so. */
  readonly weight: 'wrong' | 'doubtful';
  /** What is wrong. */
  readonly wrong: string;
  /** What to write or to type instead; several lines where one is not enough. */
  readonly instead: readonly string[];
}

/** What the words behind `tidemark` mean. */
export interface ReadCommand {
  /** `run`, `ledger expire`. */
  readonly name: string;
  readonly operands: readonly string[];
  readonly complaint: string | null;
}

export interface CheckSetting {
  /** What should be started. */
  readonly entries: readonly Entry[];
  readonly jobs: readonly Job[];
  readonly install: Install;
  /** A file of /etc/cron.d has a column for the user, a user's own crontab has none; null to go by what lines look like. */
  readonly isSystemFile: boolean | null;
  /** Whether there is a program at a path. */
  readonly isProgram: (path: string) => boolean;
  /** Whether bin/tidemark finds its node also where PATH does not lead to one. */
  readonly hasNode: boolean;
  readonly readCommand: (words: readonly string[]) => ReadCommand;
}

/** A run that a line starts. */
export interface ScheduledLine {
  readonly line: CronLine;
  readonly job: Job;
  readonly kind: Kind;
  /** Engine names of the shards. */
  readonly shards: readonly string[];
  readonly sleepSeconds: number;
  readonly words: readonly string[];
}
