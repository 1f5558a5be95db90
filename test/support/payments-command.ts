/** `tidemark payments …` in this process, so that a test can put a provider of its own behind it. */
import { Command } from 'commander';
import { vi } from 'vitest';

/**
 * @param add adds the subcommands that are tried
 * @param ledgerUrl the address of the ledger in the environment
 * @returns the exit code, and what was told
 */
export async function runPayments(
  add: (payments: Command, done: (code: number) => void) => void,
  ledgerUrl: string,
  args: readonly string[],
): Promise<{ code: number | null; told: string }> {
  let code: number | null = null;
  let told = '';
  const payments = new Command('payments').exitOverride();
  add(payments, (result) => {
    code = result;
  });
  vi.stubEnv('LEDGER_DATABASE_URL', ledgerUrl);
  const output = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    told += String(text);
    return true;
  });
  try {
    await payments.parseAsync(args, { from: 'user' });
  } finally {
    output.mockRestore();
    vi.unstubAllEnvs();
  }
  return { code, told };
}
