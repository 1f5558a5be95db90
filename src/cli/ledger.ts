/** `tidemark ledger`: accounts and bills for the person at night. What changes something asks first, and leaves a trace. */
import { type AccountView, type Bill, isFollowing, Ledger } from '../ledger/index.ts';
import { exitCodes, UnavailableError, UsageError } from '../platform/errors.ts';
import { openSurroundings, type Surroundings } from './app.ts';
import { confirm } from './confirm.ts';
import { answerOf, idOf } from './ledger-answers.ts';
import { grouped, print, printJson, printMoneyJson, printTable, yuan } from './output.ts';
import { operator, reasonOf } from './person.ts';

interface Options {
  readonly json?: true;
  readonly yes?: true;
  readonly reason?: string;
  readonly limit?: number;
  readonly before?: string;
  readonly olderThan?: number;
  readonly apply?: true;
}

const command = 'tidemark ledger';
const oneAccount = 'tidemark ledger show <account>';
const billsShown = 5;

export async function show(account: string, options: Options): Promise<number> {
  return withLedger(async (ledger, surroundings) => {
    const id = idOf('account', account, command);
    const view = await ledger.view(id);
    if (view === null) throw unknownAccount(account);
    const bills = await ledger.bills(id, { limit: billsShown });
    if (options.json) printMoneyJson({ ...view, lastBills: bills });
    else await tellAccount(view, bills, surroundings);
    return undefined;
  });
}

export async function bills(account: string, options: Options): Promise<number> {
  return withLedger(async (ledger, surroundings) => {
    const id = idOf('account', account, command);
    const before = options.before === undefined ? null : idOf('--before', options.before, command);
    const found = await ledger.bills(id, { before, limit: options.limit ?? 50 });
    if (found.length === 0 && (await ledger.view(id)) === null) throw unknownAccount(account);
    if (options.json) printMoneyJson(found);
    else if (found.length === 0) print('no bills');
    else await tellBills(found, surroundings);
    if (!options.json && found.length === (options.limit ?? 50))
      print(`\nOlder ones: tidemark ledger bills ${account} --before ${found.at(-1)?.id}`);
    return undefined;
  });
}

export async function unprocessed(options: Options): Promise<number> {
  return withLedger(async (ledger, surroundings) => {
    const olderThanSeconds = Math.floor((options.olderThan ?? 0) / 1000);
    const open = await ledger.unprocessed({ olderThanSeconds });
    if (options.json) printMoneyJson(open);
    else if (open.length === 0) print('no unprocessed bills');
    else {
      await tellBills(open, surroundings);
      print(`\nNext: tidemark ledger resolve ${open[0]?.billId}`);
    }
    return open.length > 0 ? exitCodes.waitsForPerson : undefined;
  }, true);
}

export async function freeze(account: string, options: Options): Promise<number> {
  return changeAccount(account, options, 'freeze');
}

export async function unfreeze(account: string, options: Options): Promise<number> {
  return changeAccount(account, options, 'unfreeze');
}

async function changeAccount(account: string, options: Options, what: 'freeze' | 'unfreeze'): Promise<number> {
  const reason = reasonOf(options, `tidemark ledger ${what} ${account}`);
  return withLedger(async (ledger, surroundings) => {
    const id = idOf('account', account, command);
    const view = await ledger.view(id);
    if (view === null) throw unknownAccount(account);
    const question = `${what} account ${account}, with ${yuan(view.balance)} yuan in it (${reason})`;
    if (options.yes !== true && !(await confirm(question))) return undefined;
    answerOf(await ledger[what](id, { reason, operator: operator(command) }), oneAccount);
    const after = (await ledger.view(id)) as AccountView;
    if (options.json) printMoneyJson(after);
    else await tellAccount(after, [], surroundings);
    return undefined;
  });
}

export async function resolve(bill: string, options: Options): Promise<number> {
  const reason = reasonOf(options, `tidemark ledger resolve ${bill}`);
  return withLedger(async (ledger, surroundings) => {
    const billId = idOf('bill', bill, command);
    const open = await ledger.unprocessed({ billId });
    if (open.length === 0) throw new UsageError(`bill ${bill} is not unprocessed`, 'tidemark ledger unprocessed');
    const apply = options.apply === true;
    const question = open.map((one) => describeResolution(one, apply)).join('\n');
    if (options.yes !== true && !(await confirm(question))) return undefined;
    const { bills: ended } = answerOf(
      await ledger.resolve({ billId, apply, reason, operator: operator(command) }),
      oneAccount,
    );
    if (options.json) printMoneyJson(ended);
    else await tellBills(ended, surroundings);
    return undefined;
  });
}

/** Releases holds whose time is over: for cron, where no call comes by their accounts. */
export async function expire(options: Options): Promise<number> {
  return withLedger(async (ledger) => {
    const expiry = await ledger.expireHolds();
    if (options.json) printJson(expiry);
    else if (process.stdout.isTTY) print(`holds of ${grouped(expiry.accounts)} accounts released`);
    if (expiry.locked === 0) return undefined;
    throw new UnavailableError(
      `${expiry.locked} accounts are kept locked by others: their holds stay`,
      'tidemark ledger expire',
    );
  }, true);
}

/** @param work answers the exit code, where that is not 0 */
async function withLedger(
  work: (ledger: Ledger, surroundings: Surroundings) => Promise<number | undefined>,
  quiet = false,
): Promise<number> {
  const surroundings = openSurroundings({ quiet });
  const url = surroundings.config.need('LEDGER_DATABASE_URL');
  const ledger = await Ledger.connect({ url, connections: 1 });
  try {
    return (await work(ledger, surroundings)) ?? exitCodes.done;
  } finally {
    await ledger.close();
  }
}

const unknownAccount = (account: string): UsageError => new UsageError(`there is no account ${account}`, oneAccount);

function describeResolution(bill: Bill, apply: boolean): string {
  const { billId, channel, amount, heldChange, accountId, createdAt } = bill;
  const sum = amount === 0n ? heldChange : amount;
  const end = apply || isFollowing(bill) ? 'give it its effect' : 'close it without effect';
  return `bill ${billId} of account ${accountId}, ${channel} of ${yuan(sum)} yuan, written ${createdAt.toISOString()}: ${end}`;
}

async function tellAccount(view: AccountView, latest: readonly Bill[], surroundings: Surroundings): Promise<void> {
  const { zone } = surroundings;
  print(
    `account ${view.accountId} (${view.kind}), ${grouped(view.bills)} bills, last changed ${zone.text(view.changedAt.getTime())}`,
  );
  print(`  balance   ${yuan(view.balance).padStart(20)} yuan`);
  print(`  held      ${yuan(view.held).padStart(20)}`);
  print(`  available ${yuan(view.balance - view.held).padStart(20)}`);
  if (view.frozen !== null) print(`  frozen: ${view.frozen}`);
  for (const { billId, amount, expiresAt } of view.holds)
    print(
      `  hold ${billId}: ${yuan(amount)} yuan, ${expiresAt === null ? 'waits for its caller' : `until ${zone.text(expiresAt.getTime())}`}`,
    );
  for (const { what, reason, operator: who, at } of view.events)
    print(`  ${zone.text(at.getTime())} ${what}: ${reason}${who === null ? '' : `, by ${who}`}`);
  if (latest.length === 0) return;
  print('');
  await tellBills(latest, surroundings);
}

async function tellBills(found: readonly Bill[], { zone }: Surroundings): Promise<void> {
  await printTable(
    ['BILL', 'CHANNEL', 'AMOUNT', 'HELD', 'RESULT', 'BALANCE AFTER', 'DONE', 'NOTE'],
    found.map((bill) => [
      String(bill.billId),
      bill.channel,
      yuan(bill.amount),
      bill.heldChange === 0n ? '' : yuan(bill.heldChange),
      bill.code === null ? bill.result : `${bill.result} (${bill.code})`,
      bill.balanceAfter === null ? '' : yuan(bill.balanceAfter),
      zone.text((bill.doneAt ?? bill.createdAt).getTime()),
      [bill.info, bill.operator, bill.orderId].filter((note) => note !== null).join(', '),
    ]),
  );
}
