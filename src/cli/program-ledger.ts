/** The commands over the ledger database: accounts and bills, and differences from the counterparts. */
import type { Command } from 'commander';
import { type Done, duration, examples, positive } from './options.ts';

export function addLedger(program: Command, done: Done): void {
  const ledger = program.command('ledger').description('accounts and bills: look, freeze, resolve');
  const load = () => import('./ledger.ts');
  ledger
    .command('show')
    .description('an account: balance, holds, last bills, and what was done to it')
    .argument('<account>')
    .option('--json', 'as JSON, fen as text')
    .addHelpText('after', examples('tidemark ledger show 4711', 'tidemark ledger show 4711 --json'))
    .action(async (account: string, options) => done(await (await load()).show(account, options)));
  ledger
    .command('bills')
    .description('the bills of an account, the latest first')
    .argument('<account>')
    .option('--limit <n>', 'at most so many', positive, 50)
    .option('--before <id>', 'older than the bill with this id')
    .option('--json', 'as JSON, fen as text')
    .addHelpText('after', examples('tidemark ledger bills 4711', 'tidemark ledger bills 4711 --limit 500 --json'))
    .action(async (account: string, options) => done(await (await load()).bills(account, options)));
  ledger
    .command('unprocessed')
    .description('bills that a crash has left without an end')
    .option('--older-than <duration>', 'only those written so long ago', duration)
    .option('--json', 'as JSON, fen as text')
    .addHelpText('after', examples('tidemark ledger unprocessed --older-than 1h'))
    .action(async (options) => done(await (await load()).unprocessed(options)));
  for (const [name, what] of [
    ['freeze', 'nothing new, and nothing that takes money from it'],
    ['unfreeze', 'as before'],
  ] as const)
    ledger
      .command(name)
      .description(`${name} an account: ${what} (asks)`)
      .argument('<account>')
      .option('--reason <text>', 'kept with what you do')
      .option('--yes', 'do not ask')
      .option('--json', 'as JSON, fen as text')
      .addHelpText(
        'after',
        examples(`tidemark ledger ${name} 4711 --reason "case 12: ${name === 'freeze' ? 'stolen card' : 'cleared'}"`),
      )
      .action(async (account: string, options) => done(await (await load())[name](account, options)));
  ledger
    .command('resolve')
    .description('end an unprocessed bill: close it without effect, or give it its effect (asks)')
    .argument('<bill>', 'its bill id')
    .option('--apply', 'give it its effect')
    .option('--reason <text>', 'kept with what you do')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON, fen as text')
    .addHelpText(
      'after',
      examples(
        'tidemark ledger resolve 100004711 --reason "the shop never delivered"',
        'tidemark ledger resolve 100004711 --apply --reason "the bank says paid"',
      ),
    )
    .action(async (bill: string, options) => done(await (await load()).resolve(bill, options)));
  ledger
    .command('expire')
    .description('release holds whose time is over (for cron; a call on an account does it for that one)')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('tidemark ledger expire'))
    .action(async (options) => done(await (await load()).expire(options)));
}

export function addDifferences(program: Command, done: Done): void {
  const differences = program
    .command('differences')
    .summary('what reconcile-day found: look, and resolve')
    .description('what reconcile-day found: look, and resolve what is cleared up');
  const load = () => import('./differences.ts');
  differences
    .command('list', { isDefault: true })
    .description('open differences, the latest day first')
    .argument('[counterpart]', 'ledger, initiator, alipay or wechat')
    .option('--day <day>', 'only of this business day')
    .option('--all', 'resolved ones and those that wait for their other half, too')
    .option('--limit <n>', 'at most so many', positive, 200)
    .option('--json', 'as JSON, fen as text')
    .addHelpText('after', examples('tidemark differences', 'tidemark differences list alipay --day 2026-11-20'))
    .action(async (counterpart: string | undefined, options) => done(await (await load()).list(counterpart, options)));
  differences
    .command('show')
    .description('a difference, with what both sides say')
    .argument('<id>')
    .option('--json', 'as JSON, fen as text')
    .addHelpText('after', examples('tidemark differences show 17'))
    .action(async (id: string, options) => done(await (await load()).show(id, options)));
  differences
    .command('resolve')
    .description('close differences that are cleared up; book what has to be booked first (asks)')
    .argument('<id...>')
    .option('--reason <text>', 'kept with what you do')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON, fen as text')
    .addHelpText(
      'after',
      examples(
        'tidemark differences resolve 17 --reason "booked as bill 100004711"',
        'tidemark differences resolve 17 18 --reason "case 12" --yes',
      ),
    )
    .action(async (ids: string[], options) => done(await (await load()).resolve(ids, options)));
}
