/**
 * A sandbox gateway as a process of its own, and how the campaign speaks with it: not as tidemark does, but as the buyers,
 * the provider's own people and its accountants.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Payout, payoutState, refundedOf, type Trade } from '../../src/sandbox/book.ts';
import type { LogLine } from '../../src/sandbox/gateway.ts';
import type { Asking, Movement, ProviderBook } from './provider-book.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Of payouts, these shares fail and come back; and how long that takes. */
const payouts = { fails: 0.12, returns: 0.2, settleMs: 300, returnMs: 3000 } as const;

const askedMax = 5;

export interface GatewayStart {
  readonly folder: string;
  readonly seed: number;
  /** Of its answers and notices, this share is wrong. */
  readonly faultShare: number;
  /** Null: notices go nowhere, and no payout comes back. */
  readonly noticeUrl: string | null;
}

/** As JSON knows no whole numbers of any size, sums come as `100n`. */
const fromText = (_: string, value: unknown) =>
  typeof value === 'string' && /^-?\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;

interface Told {
  readonly trades: readonly Trade[];
  readonly payouts: readonly Payout[];
}

export class Gateway {
  /** What a program is told that is to use it. */
  readonly settings: Readonly<Record<string, string>>;
  readonly #child: ChildProcess;
  readonly #address: string;

  private constructor(child: ChildProcess, address: string, settings: Readonly<Record<string, string>>) {
    this.#child = child;
    this.#address = address;
    this.settings = settings;
  }

  static async start({ folder, seed, faultShare, noticeUrl }: GatewayStart): Promise<Gateway> {
    const options = {
      folder,
      seed,
      faulty: faultShare,
      fails: payouts.fails,
      returns: noticeUrl === null ? 0 : payouts.returns,
      'settle-ms': payouts.settleMs,
      'return-ms': payouts.returnMs,
      ...(noticeUrl === null ? {} : { notices: noticeUrl }),
    };
    const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/sandbox/main.ts', ...words], {
      cwd: root,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    preferred(child.pid);
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const [line] = (await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the sandbox gateway ended with ${code}`);
      }),
    ])) as [string];
    const { address, settings } = JSON.parse(line) as { address: string; settings: Record<string, string> };
    return new Gateway(child, address, settings);
  }

  /** Ends with its standard input. */
  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await gone;
  }

  /**
   * A connection that breaks on a busy machine is no end of the campaign: asked again. What was done and not heard of is
   * perhaps done twice; the gateway's book tells, by which all is judged.
   */
  async #ask(verb: string, given: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    let response: Response | undefined;
    for (let times = 1; response === undefined; times++)
      try {
        response = await fetch(`${this.#address}/control/${verb}`, { method: 'POST', body: JSON.stringify(given) });
      } catch (raw) {
        const { message, cause } = raw as Error;
        if (times === askedMax) throw new Error(`the sandbox gateway does not answer ${verb}: ${message}: ${cause}`);
        await sleep(200 * times);
      }
    const { answer, error } = JSON.parse(await response.text(), fromText) as { answer?: unknown; error?: string };
    if (error !== undefined) throw new Error(`the sandbox gateway refuses ${verb}: ${error}`);
    return answer;
  }

  /** A buyer opens what they were given, and pays. @returns whether the provider took the money, as far as it was heard */
  async pay(orderId: bigint, content: string): Promise<boolean> {
    await this.#ask('opens', { content });
    return (await this.#ask('pays', { order: String(orderId) })) === true;
  }

  /** @param amount fen */
  async refund(orderId: bigint, amount: bigint): Promise<void> {
    await this.#ask('refunds', { order: String(orderId), amount: `${amount}n` });
  }

  /** From now on it tells the truth. */
  async calm(): Promise<void> {
    await this.#ask('faulty', { share: 0 });
  }

  /** Sends the notice of each refund again. @returns how many there are */
  async tellOfRefunds(): Promise<number> {
    const { trades } = (await this.#ask('book')) as Told;
    const refunded = trades.filter((trade) => refundedOf(trade) > 0n);
    for (const { orderId } of refunded) await this.#ask('notice', { id: orderId });
    return refunded.length;
  }

  /** How long until no payout can come back any more. */
  async msUntilSettled(): Promise<number> {
    const { payouts: all } = (await this.#ask('book')) as Told;
    const last = all.reduce((latest, { settlesAt, returnsAt }) => Math.max(latest, settlesAt, returnsAt), 0);
    return Math.max(0, last - Date.now());
  }

  async book(): Promise<ProviderBook> {
    const { trades, payouts: all } = (await this.#ask('book')) as Told;
    const log = (await this.#ask('log')) as LogLine[];
    return { movements: [...trades.map(ofTrade), ...all.map(ofPayout)], askings: log.map(ofLine) };
  }
}

/** On a busy machine it would look at its clock too late, and see many requests at once that came one by one. */
function preferred(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_HIGHEST);
  } catch {
    // Only root may.
  }
}

function ofTrade(trade: Trade): Movement {
  const { orderId, provider, amount, paidAt, state } = trade;
  const back = refundedOf(trade);
  const isWhole = back === amount;
  return {
    kind: 'order',
    id: orderId,
    provider,
    amount: String(amount),
    moved: paidAt === null ? 0 : 1,
    returned: isWhole ? 1 : 0,
    partly: String(isWhole ? 0n : back),
    word: state,
  };
}

function ofPayout(payout: Payout): Movement {
  const { payoutId, provider, amount } = payout;
  const state = payoutState(payout, Date.now());
  return {
    kind: 'payout',
    id: payoutId,
    provider,
    amount: String(amount),
    moved: state === 'paid' || state === 'returned' ? 1 : 0,
    returned: state === 'returned' ? 1 : 0,
    partly: '0',
    word: state,
  };
}

const ofLine = ({ at, endedAt, provider, action, id, fault }: LogLine): Asking => ({
  provider,
  what: action,
  id: /^\d+$/.test(id) ? id : null,
  startedAt: at * 1000,
  endedAt: (endedAt ?? Date.now()) * 1000,
  fault,
});
