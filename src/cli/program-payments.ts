/** `tidemark payments` with its flags and help. */
import { type Command, Option } from 'commander';
import { type Done, examples, positive } from './options.ts';
import { addPayouts } from './payment-payouts.ts';
import { addSwitch } from './payment-switch.ts';
import type { ProvidersOf } from './payouts.ts';

/** A person's one question waits for no leave: nothing of the limit is kept for it, or taken by it. */
const providersOf: ProvidersOf = async (config) => {
  const { providersFrom } = await import('../payments/providers.ts');
  return [...providersFrom((name) => config.get(name)).values()];
};

export function addPayments(program: Command, done: Done): void {
  const payments = program
    .command('payments')
    .summary('orders and payouts: look, decide, switch off')
    .description('orders and payouts: look, and decide what nothing else can decide');
  const load = () => import('./payments.ts');
  payments
    .command('show')
    .description('an order: its state, its money, and what its provider said last')
    .argument('<order>')
    .option('--json', 'as JSON, fen as text')
    .addHelpText('after', examples('tidemark payments show 1441510199651977984'))
    .action(async (order: string, options) => done(await (await load()).show(order, options)));
  payments
    .command('list')
    .description('orders of a state, the latest first')
    .addOption(
      new Option('--state <state>', 'of this state')
        .choices(['pending', 'paid', 'refunded', 'closed'])
        .default('pending'),
    )
    .option('--concern', 'instead: those that a person must look at (exit 65 when there are any)')
    .option('--limit <n>', 'at most so many', positive, 50)
    .option('--json', 'as JSON, fen as text')
    .addHelpText('after', examples('tidemark payments list --state paid', 'tidemark payments list --concern'))
    .action(async (options) => done(await (await load()).list(options)));
  payments
    .command('resolve')
    .description('decide an order: it is paid, and its account credited; or nobody has paid it (asks)')
    .argument('<order>')
    .addOption(new Option('--as <state>', 'what it is').choices(['paid', 'closed']))
    .option('--reason <text>', 'kept with what you do')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON, fen as text')
    .addHelpText(
      'after',
      examples('tidemark payments resolve 1441510199651977984 --as paid --reason "the bank says so, case 12"'),
    )
    .action(async (order: string, options) => done(await (await load()).resolve(order, options)));
  addPayouts(payments, done, providersOf);
  addSwitch(payments, done);
}
