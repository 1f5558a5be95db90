/** `tidemark payments`: orders for the person at night. What changes something asks first, and leaves a trace. */

import { type OrderState, type OrderView, type OrderWithHistory, Payments, type Resolved } from '../payments/index.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import { openSurroundings, type Surroundings } from './app.ts';
import { confirm } from './confirm.ts';
import { answerOf, idOf } from './ledger-answers.ts';
import { print, printMoneyJson, printTable, yuan } from './output.ts';
import { operator, reasonOf } from './person.ts';

interface Options {
  readonly json?: true;
  readonly yes?: true;
  readonly reason?: string;
  readonly as?: 'paid' | 'closed';
  readonly state?: OrderState;
  readonly concern?: true;
  readonly limit?: number;
}

const command = 'tidemark payments';
const oneOrder = `${command} show <order>`;

export async function show(order: string, options: Options): Promise<number> {
  return withPayments(async (payments, surroundings) => {
    const { resolutions, ...found } = await find(payments, order);
    if (options.json) printMoneyJson({ ...found.order, resolutions });
    else tell(found.order, surroundings);
    if (!options.json) for (const one of resolutions) print(describe(one, surroundings));
    return undefined;
  });
}

export async function list(options: Options): Promise<number> {
  return withPayments(async (payments, { zone }) => {
    const limit = options.limit ?? 50;
    const found = await payments.list(options.concern ? 'concern' : (options.state ?? 'pending'), limit);
    if (options.json) printMoneyJson(found);
    else if (found.length === 0) print('no such orders');
    else
      await printTable(
        ['ORDER', 'MERCHANT', 'AMOUNT', 'PROVIDER', 'STATE', 'CREATED', 'NEXT', 'NOTE'],
        found.map((order) => [
          String(order.orderId),
          String(order.merchantId),
          yuan(order.amount),
          order.provider,
          order.state,
          zone.text(order.createdAt),
          order.nextAt === null ? 'never' : zone.text(order.nextAt),
          order.concern ?? order.word ?? '',
        ]),
      );
    if (found.length === limit && !options.json) print(`\nThe latest ${limit}. More: --limit ${limit * 10}`);
    return options.concern && found.length > 0 ? exitCodes.waitsForPerson : undefined;
  });
}

export async function resolve(order: string, options: Options): Promise<number> {
  const { as } = options;
  if (as === undefined)
    throw new UsageError('--as is missing: paid or closed', `${command} resolve ${order} --as paid --reason "…"`);
  const reason = reasonOf(options, `${command} resolve ${order} --as ${as}`);
  return withPayments(async (payments, surroundings) => {
    const { orderId, merchantId, amount, state } = (await find(payments, order)).order;
    const end = as === 'paid' ? `it is paid, and account ${merchantId} is credited` : 'nobody has paid it';
    const question = `order ${orderId}, ${state}, of ${yuan(amount)} yuan: ${end} (${reason})`;
    if (options.yes !== true && !(await confirm(question))) return undefined;
    const answer = await payments.resolve({ orderId, as, reason, operator: operator(command) });
    const after = answerOf(answer, `${command} show ${orderId}`).order;
    if (options.json) printMoneyJson(after);
    else tell(after, surroundings);
    return undefined;
  });
}

async function find(payments: Payments, text: string): Promise<OrderWithHistory> {
  const orderId = idOf('order', text, command);
  const answer = await payments.order(orderId);
  if (answer.code === 1) throw new UsageError(answer.reason, `${command} list`);
  return answerOf(answer, oneOrder);
}

/** @param work answers the exit code, where that is not 0 */
async function withPayments(
  work: (payments: Payments, surroundings: Surroundings) => Promise<number | undefined>,
): Promise<number> {
  const surroundings = openSurroundings();
  const { config } = surroundings;
  const url = config.need('LEDGER_DATABASE_URL');
  const tables = config.need('TIDEMARK_ORDER_TABLES');
  const payments = await Payments.connect({ url, tables, providers: [], connections: 1 });
  try {
    return (await work(payments, surroundings)) ?? exitCodes.done;
  } finally {
    await payments.close();
  }
}

function describe({ as, operator: who, reason, at }: Resolved, { zone }: Surroundings): string {
  return `  ${zone.text(at)} resolved as ${as}: ${reason}, by ${who}`;
}

function tell(order: OrderView, { zone }: Surroundings): void {
  const at = (instant: number | null) => (instant === null ? 'never' : zone.text(instant));
  print(`order ${order.orderId}: ${yuan(order.amount)} yuan by ${order.provider} to account ${order.merchantId}`);
  print(`  ${order.state}${moneyOf(order)}, bill ${order.billId}, "${order.subject}"`);
  print(`  created ${at(order.createdAt)}, expires ${at(order.expiresAt)}, paid ${at(order.paidAt)}`);
  print(`  asked ${order.attempts} times, next ${at(order.nextAt)}`);
  if (order.word !== null)
    print(
      `  the provider says ${order.word} since ${at(order.answeredAt)}, its number ${order.providerId ?? 'unknown'}`,
    );
  if (order.concern !== null)
    print(`  a person must look: ${order.concern}\nNext: ${command} resolve ${order.orderId}`);
}

function moneyOf({ state, isCredited, isReturned }: OrderView): string {
  if (state === 'paid') return isCredited ? ' and credited' : ', not yet credited';
  if (state === 'refunded') return isReturned ? ' and taken back' : ', not yet taken back';
  return '';
}
