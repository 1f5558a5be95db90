/** `tidemark payments payout`, `payouts`, `give-up`: payouts for the person at night. */
import type { Payout } from '../payments/payout-record.ts';
import { Payouts } from '../payments/payouts.ts';
import type { Provider } from '../payments/provider.ts';
import type { Config } from '../platform/config.ts';
import { exitCodes, JobError, UnavailableError, UsageError } from '../platform/errors.ts';
import { openSurroundings, type Surroundings } from './app.ts';
import { confirm } from './confirm.ts';
import { print, printMoneyJson, printTable, yuan } from './output.ts';
import { operator, reasonOf } from './person.ts';

/** The providers that are set up. */
export type ProvidersOf = (config: Config) => Promise<readonly Provider[]>;

interface Options {
  readonly json?: true;
  readonly yes?: true;
  readonly reason?: string;
  readonly limit?: number;
}

const command = 'tidemark payments';
const none: ProvidersOf = async () => [];

export async function show(payout: string, { json }: Options): Promise<number> {
  return withPayouts(none, async (payouts, surroundings) => tell(await find(payouts, payout), json, surroundings));
}

export async function list(account: string, { json, limit = 50 }: Options): Promise<number> {
  return withPayouts(none, async (payouts, { zone }) => {
    const found = await payouts.payouts(idOf('account', account), { limit });
    if (json) printMoneyJson(found);
    else if (found.length === 0) print('no payouts');
    else
      await printTable(
        ['PAYOUT', 'REQUESTED', 'SUM', 'TAX', 'PROVIDER', 'STATE', 'NEXT', 'NOTE'],
        found.map((one) => [
          String(one.payoutId),
          zone.text(one.requestedAt),
          yuan(one.gross),
          yuan(one.tax),
          one.provider,
          one.refusal === null ? one.state : `${one.state} (${one.refusal})`,
          one.nextAt === null ? 'never' : zone.text(one.nextAt),
          one.reason ?? one.word ?? '',
        ]),
      );
  });
}

export async function giveUp(payout: string, options: Options, providersOf: ProvidersOf): Promise<number> {
  const reason = reasonOf(options, `${command} give-up ${payout}`);
  return withPayouts(providersOf, async (payouts, surroundings) => {
    const { payoutId, accountId, gross, state, word } = await find(payouts, payout);
    const question = `payout ${payoutId} of account ${accountId}, ${yuan(gross)} yuan, ${state}${word === null ? '' : ` (${word})`}: give it up, and release what is held (${reason})`;
    if (options.yes !== true && !(await confirm(question))) return;
    const answer = await payouts.giveUp(payoutId, { operator: operator(command), reason });
    if (answer.code === -1) throw new UnavailableError(answer.reason, 'the same command again');
    if (answer.code !== 0) throw new JobError(answer.reason, `${command} payout ${payoutId}`);
    tell(answer, options.json, surroundings);
  });
}

async function withPayouts(
  providersOf: ProvidersOf,
  work: (payouts: Payouts, surroundings: Surroundings) => Promise<void>,
): Promise<number> {
  const surroundings = openSurroundings();
  const url = surroundings.config.need('LEDGER_DATABASE_URL');
  const providers: readonly Provider[] = await providersOf(surroundings.config);
  const nextId = () => Promise.reject(new Error('nothing is begun here'));
  const payouts = await Payouts.connect({ url, providers, nextId, connections: 1 });
  try {
    await work(payouts, surroundings);
    return exitCodes.done;
  } finally {
    await payouts.close();
  }
}

function idOf(what: string, text: string): bigint {
  if (/^[1-9]\d{0,19}$/.test(text)) return BigInt(text);
  throw new UsageError(`${what} "${text}" is no id: expected a whole number of 1 or more`, `${command} --help`);
}

async function find(payouts: Payouts, text: string): Promise<Payout> {
  const payout = await payouts.payout(idOf('payout', text));
  if (payout === null) throw new UsageError(`there is no payout ${text}`, `${command} payouts <account>`);
  return payout;
}

function tell(payout: Payout, json: true | undefined, { zone }: Surroundings): void {
  if (json) {
    printMoneyJson(payout);
    return;
  }
  const { requestedAt, decidedAt, nextAt, attempts, providerId, word, reason, refusal, taxBillId } = payout;
  const { payoutId, accountId, provider, payee, state, billId } = payout;
  print(`payout ${payoutId} of account ${accountId}, by ${provider} to ${payee}: ${state}`);
  print(`  gross ${yuan(payout.gross).padStart(20)} yuan`);
  print(`  tax   ${yuan(payout.tax).padStart(20)}      (${payout.taxRule})`);
  print(`  net   ${yuan(payout.net).padStart(20)}`);
  print(`  requested ${zone.text(requestedAt)}${decidedAt === null ? '' : `, decided ${zone.text(decidedAt)}`}`);
  if (refusal !== null) print(`  refused (${refusal})`);
  if (reason !== null) print(`  ${reason}`);
  if (word !== null && attempts > 0)
    print(`  sent ${attempts === 1 ? 'once' : `${attempts} times`}; the provider: ${word}`);
  if (providerId !== null) print(`  the provider's number: ${providerId}`);
  print(`  next look: ${nextAt === null ? 'never' : zone.text(nextAt)}`);
  print(`  bills of account ${accountId}: hold ${billId}${taxBillId === null ? '' : `, tax ${taxBillId}`}`);
}
