/** The person who changes something by hand: who it is, and why; both stay with what was done. */
import { userInfo } from 'node:os';
import { UsageError } from '../platform/errors.ts';
import { assertCanAsk } from './confirm.ts';

/** Who types this; in a container the user may have no name. */
export function operator(command: string): string {
  try {
    return `${userInfo().username} (${command})`;
  } catch {
    return `user ${process.getuid?.()} (${command})`;
  }
}

const reasonMax = 200;

/** Why somebody does this stays for ever, so it must be said. @throws UsageError; also where nobody can be asked */
export function reasonOf({ reason, yes }: { readonly reason?: string; readonly yes?: true }, command: string): string {
  if (reason === undefined || reason.trim() === '')
    throw new UsageError('--reason is missing: it is kept with what you do', `${command} --reason "…"`);
  if ([...reason].length > reasonMax)
    throw new UsageError(`--reason has more than ${reasonMax} characters`, `${command} --reason "…"`);
  if (!yes) assertCanAsk();
  return reason;
}
