/**
 * The failures that tidemark explains to a person.
 *
 * Every error that is a user's or an operator's business is one of these: a sentence that says what is wrong and where,
 * the next thing to type, and the exit code that scripts rely on. Anything else that escapes is a bug (exit 70).
 */

export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 64,
  waitsForPerson: 65,
  unavailable: 69,
  bug: 70,
  locked: 75,
  settings: 78,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export class TidemarkError extends Error {
  readonly exitCode: ExitCode;
  /** The next command or statement to type, when there is one. */
  readonly next: string | undefined;

  constructor(message: string, exitCode: ExitCode, next?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.exitCode = exitCode;
    this.next = next;
  }
}

/** The command line is wrong: unknown job, shard or flag, a time that is no time (exit 64). */
export class UsageError extends TidemarkError {
  constructor(message: string, next?: string) {
    super(message, exitCodes.usage, next);
  }
}

/** Settings, privileges or schema are wrong: nothing will work until a person changes them (exit 78). */
export class SetupError extends TidemarkError {
  constructor(message: string, next?: string, cause?: unknown) {
    super(message, exitCodes.settings, next, cause);
  }
}

/** A server cannot be reached (exit 69). The next run will do what this one could not. */
export class UnavailableError extends TidemarkError {
  constructor(message: string, next?: string, cause?: unknown) {
    super(message, exitCodes.unavailable, next, cause);
  }
}

/** A database whose server does not answer; others of that server are away for the same reason. */
export class UnreachableError extends UnavailableError {
  /** The name that it has in a sentence. */
  readonly database: string;
  /** Where it is, and what is the matter. */
  readonly what: string;
  /** That holds its address. */
  readonly setting: string;

  constructor(
    { database, what, setting, next }: Readonly<Record<'database' | 'what' | 'setting', string> & { next?: string }>,
    cause: unknown,
  ) {
    super(`${database} ${what}`, next ?? `check ${setting}: tidemark config`, cause);
    this.database = database;
    this.what = what;
    this.setting = setting;
  }
}

/** The job itself failed (exit 1); its window was rolled back. */
export class JobError extends TidemarkError {
  constructor(message: string, next?: string, cause?: unknown) {
    super(message, exitCodes.failed, next, cause);
  }
}
