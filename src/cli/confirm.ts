import { createInterface } from 'node:readline/promises';
import { UsageError } from '../platform/errors.ts';

/** Asks a person before something is changed by hand. @throws UsageError where nobody can answer */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new UsageError('this must be confirmed, and there is no terminal to ask on', 'add --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question}\nGo on? [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
