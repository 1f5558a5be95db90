/** Ids that a person types, and what the ledger and the payments answer, for commands over them. */
import type { Answer } from '../ledger/index.ts';
import { JobError, UnavailableError, UsageError } from '../platform/errors.ts';

/** @throws UsageError where it is no id */
export function idOf(what: string, text: string, command: string): bigint {
  if (/^[1-9]\d{0,19}$/.test(text)) return BigInt(text);
  throw new UsageError(`${what} "${text}" is no id: expected a whole number of 1 or more`, `${command} --help`);
}

/** @throws UnavailableError, JobError where it is none of success */
export function answerOf<Success extends object>(answer: Answer<Success>, next: string): Success {
  if (answer.code === 0) return answer;
  if (answer.code === -1) throw new UnavailableError(answer.reason, 'the same command again');
  throw new JobError(answer.reason, next);
}
