/** The definition of `tidemark payments switch`, to be added to the commands over payments. */
import type { Command } from 'commander';
import { type Done, examples } from './options.ts';

export function addSwitch(payments: Command, done: Done): void {
  payments
    .command('switch')
    .description(
      'turn new orders or payouts off, which lets those under way end, or on again (asks); without a name: show',
    )
    .argument('[name]', 'orders or payouts')
    .option('--off', 'nothing new from now on')
    .option('--on', 'as before')
    .option('--reason <text>', 'kept with what you do, and told to whoever is refused')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        'tidemark payments switch',
        'tidemark payments switch payouts --off --reason "the bank is closed until Monday"',
        'tidemark payments switch payouts --on --reason "the bank is open again"',
      ),
    )
    .action(async (name: string | undefined, options) =>
      done(await (await import('./switches.ts')).turn(name, options)),
    );
}
