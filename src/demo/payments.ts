/**
 * The steps about payments: buyers pay at a sandbox of two providers, which loses notices, lies, falls silent and sends a
 * payout back; in the end its own book and the wallet agree to the fen.
 *
 * The sandbox and the receiver of its notices live in this process; who asks the providers is
 * `tidemark run check-pending-payments`, as everywhere. An order is asked about 10 s after it was made, so they are made
 * early in the demonstration.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, Ledger } from '../ledger/index.ts';
import type { Requested } from '../payments/creating.ts';
import { type OpenPayments, openPayments } from '../payments/open-payments.ts';
import type { ProviderName } from '../payments/provider.ts';
import { JobError } from '../platform/errors.ts';
import { Gateway } from '../sandbox/gateway.ts';
import { NoticeReceiver } from './notices.ts';
import type { Scene } from './scene.ts';
import { type Stage, yuan } from './stage.ts';
import { type Environment, tidemark } from './tidemark.ts';

const check = 'check-pending-payments';
/** What goes wrong at the sandbox, as people say it. */
const mishaps: Readonly<Record<string, string>> = {
  'bad-signature': 'a lie, falsely signed',
  'timeout-before': 'no answer',
  'false-failure': 'said to have failed, and paid',
};
const wallet = 4711n;
const beginning = 10_000n;
const expiresInSeconds = 20;
const patienceMs = 90_000;
const payoutAmount = 5000n;

interface Sale {
  readonly provider: ProviderName;
  readonly amount: bigint;
  readonly what: string;
  readonly isPaid: boolean;
}

/** The first one's notice arrives; then the receiver is down. */
const sales: readonly Sale[] = [
  { provider: 'alipay', amount: 6800n, isPaid: true, what: 'paid, and a notice said so' },
  { provider: 'wechat', amount: 2550n, isPaid: true, what: 'paid, and the notice was lost' },
  { provider: 'alipay', amount: 1200n, isPaid: true, what: 'paid, and the notice was lost' },
  { provider: 'wechat', amount: 9900n, isPaid: false, what: 'never paid' },
];

interface Parts {
  readonly receiver: NoticeReceiver;
  readonly gateway: Gateway;
  readonly environment: Environment;
  readonly ledger: Ledger;
  readonly opened: OpenPayments;
}

export class Till {
  readonly #stage: Stage;
  readonly #wrong: string[];
  readonly #parts: Parts;
  readonly #orderIds: bigint[] = [];
  #payoutId = 0n;

  private constructor({ stage, wrong }: Scene, parts: Parts) {
    this.#stage = stage;
    this.#wrong = wrong;
    this.#parts = parts;
  }

  /** @param folder where the sandbox keeps its keys */
  static async open(scene: Scene, folder: string): Promise<Till> {
    const receiver = await NoticeReceiver.open();
    const gateway = await Gateway.start({ folder, noticeDelaysMs: [0] });
    const environment = {
      ...scene.environment,
      ...gateway.settings(receiver.address),
      TIDEMARK_PROVIDER_TIMEOUT: '1s',
    };
    const ledger = await Ledger.connect({ url: scene.servers.settings.LEDGER_DATABASE_URL, connections: 1 });
    const opened = await openPayments({ environment });
    return new Till(scene, { receiver, gateway, environment, ledger, opened });
  }

  async close(): Promise<void> {
    const { receiver, gateway, ledger, opened } = this.#parts;
    receiver.close();
    await Promise.all([gateway.stop(), ledger.close(), opened.close()]);
  }

  /** The first step: orders are made, some of them are paid, and a payout is asked for. */
  async sell(): Promise<void> {
    const { ledger, gateway, opened } = this.#parts;
    this.#stage.step('Payments: four orders and a payout');
    this.#stage.line(`A sandbox of Alipay and WeChat Pay listens at ${gateway.address}, with keys of its own.`);
    must(await ledger.openAccount(wallet));
    must(await ledger.recharge({ billId: await ledger.nextBillId(), accountId: wallet, amount: beginning }));
    for (const sale of sales) await this.#sellOne(sale);
    const payout = await opened.payouts.request({
      ...{ accountId: wallet, amount: payoutAmount, provider: 'alipay', payee: '2088000000000001' },
      ...{ title: 'commission', idempotencyKey: 'demo' },
    });
    this.#payoutId = must(payout).payoutId;
    const { balance, held } = must(await ledger.balance(wallet));
    this.#stage.line(`Wallet ${wallet}: ${yuan(balance)} yuan, ${yuan(held)} of it held for the payout.`);
  }

  async #sellOne({ provider, amount, what, isPaid }: Sale): Promise<void> {
    const { gateway, receiver, opened } = this.#parts;
    const { payments } = opened;
    const isFirst = this.#orderIds.length === 0;
    receiver.payments = isFirst ? payments : null;
    const made = must<Requested>(
      await payments.createOrder({ merchantId: wallet, amount, subject: 'demo', provider, expiresInSeconds }),
    );
    const { orderId } = made.order;
    this.#orderIds.push(orderId);
    gateway.opens(made.request.content);
    if (isPaid) gateway.pays(orderId);
    if (isFirst) await this.#until(async () => (await this.#stateOf(orderId)) === 'paid');
    this.#stage.line(`order ${orderId}, ${yuan(amount).padStart(6)} by ${provider}: ${what}`);
  }

  /** The last step: everything is asked about until it has come to its end, at a sandbox that is not to be trusted. */
  async settle(): Promise<void> {
    const { gateway, opened } = this.#parts;
    this.#stage.step('Payments: nobody is believed but a signed answer to our own question');
    gateway.faults.next('bad-signature', 1, 'query');
    gateway.faults.next('timeout-before', 1, 'query');
    gateway.faults.next('false-failure', 1, 'transfer');
    this.#stage.command(`tidemark run ${check}   # once a second`);
    await this.#until(async () => (await this.#areOrdersOver()) && (await this.#payout()) === 'paid', true);
    this.#tellRequests();
    gateway.decides(this.#payoutId, 'returned');
    this.#stage.line('');
    this.#stage.line(
      'The bank sends the payout back. One that was paid is asked about for 15 days more; here at once:',
    );
    await opened.payouts.noticed(this.#payoutId);
    await this.#until(async () => (await this.#payout()) === 'returned', true);
    await this.#compare();
  }

  async #areOrdersOver(): Promise<boolean> {
    const states = await Promise.all(this.#orderIds.map((orderId) => this.#stateOf(orderId)));
    return states.every((state) => state !== 'pending');
  }

  async #stateOf(orderId: bigint): Promise<string> {
    return must(await this.#parts.opened.payments.order(orderId)).order.state;
  }

  async #payout(): Promise<string> {
    return (await this.#parts.opened.payouts.payout(this.#payoutId))?.state ?? 'none';
  }

  /** @param byAsking whether the job is run meanwhile, once a second */
  async #until(isSo: () => Promise<boolean>, byAsking = false): Promise<void> {
    const late = Date.now() + patienceMs;
    while (!(await isSo())) {
      if (Date.now() > late) throw new JobError('the demonstration stops here: payments have not come to their end');
      if (byAsking) await tidemark(['run', check], this.#parts.environment);
      await sleep(byAsking ? 1000 : 50);
    }
  }

  /** What each was asked, and what went wrong about it: by the sandbox's own log. */
  #tellRequests(): void {
    const { gateway } = this.#parts;
    const rows = [...this.#orderIds, this.#payoutId].map((id) => {
      const asked = gateway.log.filter((line) => line.id === String(id) && line.action !== 'request');
      return [
        String(id),
        asked
          .map(({ action, fault }) => (fault === null ? action : `${action} (${mishaps[fault] ?? fault})`))
          .join(', '),
      ];
    });
    this.#stage.table([{ head: 'ORDER OR PAYOUT' }, { head: 'REQUESTS, AND WHAT WENT AMISS' }], rows);
  }

  async #compare(): Promise<void> {
    const { gateway, ledger, opened } = this.#parts;
    const rows: string[][] = [];
    let due = beginning;
    for (const orderId of this.#orderIds) {
      const trade = gateway.book.trade(String(orderId));
      const paid = trade?.state === 'paid' ? trade.amount : 0n;
      const { order } = must(await opened.payments.order(orderId));
      const credited = order.isCredited ? order.amount : 0n;
      due += paid;
      rows.push([`order ${orderId}`, order.state, yuan(paid), yuan(credited), verdict(paid === credited)]);
    }
    const payout = gateway.book.payout(String(this.#payoutId));
    const gone = payout?.fate === 'returned' ? 0n : payoutAmount;
    rows.push([`payout ${this.#payoutId}`, await this.#payout(), yuan(-gone), yuan(0n), verdict(gone === 0n)]);
    const { balance, held } = must(await ledger.balance(wallet));
    const isEqual = balance === due - gone && held === 0n;
    rows.push([`wallet ${wallet}, in all`, '', yuan(due - gone), yuan(balance), verdict(isEqual)]);
    this.#stage.table(
      [
        { head: '' },
        { head: 'STATE' },
        { head: 'SANDBOX', right: true },
        { head: 'WALLET', right: true },
        { head: '' },
      ],
      rows,
    );
    if (rows.some((row) => row.includes('DIFFERENT'))) this.#wrong.push('the wallet is not what the sandbox says');
  }
}

const verdict = (equal: boolean) => (equal ? 'equal' : 'DIFFERENT');

function must<Success extends object>(answer: Answer<Success>): Success {
  if (answer.code === 0) return answer;
  throw new JobError(`the demonstration stops here: ${answer.reason}`);
}
