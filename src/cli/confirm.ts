import { createInterface } from 'node:readline/promises';
import { UsageError } from '../platform/errors.ts';

/** @throws UsageError where nobody can be asked */
export function assertCanAsk(): void {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new UsageError('this must be confirmed, and there is no terminal to ask on', 'add --yes');
}

/** Asks a person before something is changed by hand. @throws UsageError where nobody can answer */
export async function confirm(question: string): Promise<boolean> {
  assertCanAsk();
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question}\nGo on? [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
