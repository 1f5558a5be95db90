/** What an error of a driver means for the person who reads it: a sentence, the next step, the documented exit code. */
import { JobError, SetupError, TidemarkError, UnavailableError } from './errors.ts';
import { errorNumber, failureOf } from './mysql-errors.ts';

/** Error on writing a file, disk full, table full. */
const isFull = (number: number): boolean => [3, 1021, 1114].includes(number);

/** Errors that are explained already, and those that nobody foresaw, come back as they are. */
export function explained(error: unknown): unknown {
  if (error instanceof TidemarkError || !(error instanceof Error)) return error;
  const reason = error.message;
  switch (failureOf(error)) {
    case 'connection':
      return new UnavailableError(
        `the connection to the database was lost, and with it what was not committed: ${reason}`,
        'run again when the server is up; tidemark status tells where things stand',
        error,
      );
    case 'setup':
      // A table or column that is missing: of tidemark's own tables, after an update, or of one that was changed.
      return [1054, 1146].includes(errorNumber(error))
        ? new SetupError(reason, 'tidemark migrate', error)
        : new SetupError(reason, 'grant the privilege, or mend the table, then run again', error);
    case 'unwritable':
      return new JobError(
        `the database accepts no writes: ${reason}; nothing is lost`,
        isFull(errorNumber(error))
          ? "make room on the disk of the database's server, then run again"
          : 'mend that, then run again',
        error,
      );
    case 'transient':
      return new JobError(
        `others held the rows or tables too long: ${reason}; nothing is lost`,
        'tidemark status',
        error,
      );
    default:
      return errorNumber(error) > 0
        ? new JobError(
            `the database refuses a statement: ${reason}; nothing is lost`,
            'mend the cause, then run again',
            error,
          )
        : error;
  }
}
