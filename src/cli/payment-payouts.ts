/** The definitions of the commands over payouts, to be added to the commands over payments. */
import type { Command } from 'commander';
import { type Done, examples, positive } from './options.ts';
import type { ProvidersOf } from './payouts.ts';

export function addPayouts(payments: Command, done: Done, providersOf: ProvidersOf): void {
  const load = () => import('./payouts.ts');
  payments
    .command('payout')
    .description('a payout: sums, state, what the provider said last, when it is looked at next')
    .argument('<payout>', 'its id')
    .option('--json', 'as JSON, fen as text')
    .addHelpText('after', examples('tidemark payments payout 1234567890123456789'))
    .action(async (payout: string, options) => done(await (await load()).show(payout, options)));
  payments
    .command('payouts')
    .description('the payouts of an account, the latest first')
    .argument('<account>')
    .option('--limit <n>', 'at most so many', positive, 50)
    .option('--json', 'as JSON, fen as text')
    .addHelpText('after', examples('tidemark payments payouts 4711'))
    .action(async (account: string, options) => done(await (await load()).list(account, options)));
  payments
    .command('give-up')
    .description('release the hold of a payout that was never sent, or that its provider does not know (asks)')
    .argument('<payout>', 'its id')
    .option('--reason <text>', 'kept with what you do')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON, fen as text')
    .addHelpText(
      'after',
      examples('tidemark payments give-up 1234567890123456789 --reason "the payee has closed the account"'),
    )
    .action(async (payout: string, options) => done(await (await load()).giveUp(payout, options, providersOf)));
}
