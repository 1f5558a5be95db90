/**
 * Things that are due, for tests of the check: a table, a book over it, and a gateway that is asked about them.
 *
 * A look asks the gateway, by HTTP and with the limiter's leave, and writes what it says into the row.
 */
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Sessions } from '../../src/ledger/sessions.ts';
import type { DueBook, Looked } from '../../src/payments/due.ts';
import type { Limiter } from '../../src/payments/limiter.ts';
import type { ProviderName } from '../../src/payments/provider.ts';
import type { Session } from '../../src/platform/mysql.ts';

export async function createThings(session: Session): Promise<void> {
  await session.write(
    `CREATE TABLE thing (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, provider VARCHAR(10) NOT NULL, next_at TIMESTAMP(3) NULL,
       answers INT NOT NULL DEFAULT 0, takes INT NOT NULL DEFAULT 0, KEY (provider, next_at)) ENGINE = InnoDB`,
  );
}

/** Things from one id on, each a millisecond less overdue than the one before; the first by `dueMs`. */
export async function addThings(
  session: Session,
  { from = 1, count = 1, provider = 'alipay' as ProviderName, dueMs = 200_000 },
): Promise<void> {
  await session.write(
    `INSERT INTO thing (id, provider, next_at)
     SELECT seq, ?, NOW(3) - INTERVAL (? - CAST(seq AS SIGNED) + ?) * 1000 MICROSECOND FROM seq_${from}_to_${from + count - 1}`,
    [provider, dueMs, from],
  );
}

/** What the gateway says: the thing has ended, or when to ask again, or that a person must look. */
export type Word = 'ended' | 'later' | 'stuck';

export class Gateway {
  /** The answer about an id; may take its time. */
  answer: (id: number) => Word | Promise<Word> = () => 'ended';
  readonly asked: { readonly id: number; readonly provider: string; readonly from: number; to: number }[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async ({ url }, response) => {
      const [, provider, id] = (url as string).split('/') as [string, string, string];
      const note = { id: Number(id), provider, from: performance.now(), to: Number.POSITIVE_INFINITY };
      this.asked.push(note);
      response.once('close', () => {
        note.to = Math.min(note.to, performance.now());
      });
      const word = await this.answer(Number(id));
      note.to = performance.now();
      response.end(word);
    });
  }

  static async start(): Promise<Gateway> {
    const gateway = new Gateway();
    await new Promise<void>((resolve) => gateway.#server.listen(0, '127.0.0.1', resolve));
    return gateway;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ids that were asked about while an earlier request about them was under way. */
  get askedTwiceAtOnce(): number[] {
    const busyUntil = new Map<number, number>();
    return this.asked.flatMap(({ id, from, to }) => {
      const isTwice = from < (busyUntil.get(id) ?? 0);
      busyUntil.set(id, to);
      return isTwice ? [id] : [];
    });
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await sleep(1);
  }
}

interface ThingBookOptions {
  readonly url: string;
  readonly gateway: string;
  readonly limiter: Limiter;
  /** Stands between a look and the gateway. */
  readonly around?: (ask: () => Promise<string>) => Promise<string>;
}

const fromNow = 'NOW(3) + INTERVAL ? MICROSECOND';
const laterMs = 300_000;

/** The book, and how to close it. */
export function openThings({ url, gateway, limiter, around = (ask) => ask() }: ThingBookOptions): {
  book: DueBook;
  close(): Promise<void>;
} {
  const sessions = new Sessions({ url, connections: 8, patienceMs: 5000, stallTimeoutMs: 60_000 });
  const nextAt = async (session: Session, id: bigint): Promise<number | null> => {
    const [row] = await session.tuples('SELECT UNIX_TIMESTAMP(next_at) * 1000 FROM thing WHERE id = ?', [String(id)]);
    return row === undefined || row[0] === null ? null : Math.round(Number(row[0]));
  };
  const book: DueBook = {
    kind: 'order',
    due: (provider, aheadMs, limit) =>
      sessions.run(async (session) => {
        const rows = await session.tuples(
          `SELECT id, UNIX_TIMESTAMP(next_at) * 1000 FROM thing WHERE provider = ? AND next_at <= ${fromNow} ORDER BY next_at LIMIT ${limit}`,
          [provider, aheadMs * 1000],
        );
        return rows.map(([id, at]) => ({ id: BigInt(id as string), at: Math.round(Number(at)) }));
      }),
    take: (id, leaseMs) =>
      sessions.run(async (session) => {
        const { affected } = await session.write(
          `UPDATE thing SET next_at = ${fromNow}, takes = takes + 1 WHERE id = ? AND next_at <= NOW(3)`,
          [leaseMs * 1000, String(id)],
        );
        if (affected === 0) return { nextAt: await nextAt(session, id) };
        const [row] = await session.tuples('SELECT provider FROM thing WHERE id = ?', [String(id)]);
        return { provider: row?.[0] as ProviderName };
      }),
    look: (id) =>
      sessions.call(async () => {
        const read = async (session: Session) => {
          const [row] = await session.tuples('SELECT provider FROM thing WHERE id = ?', [String(id)]);
          return row?.[0] as ProviderName;
        };
        const provider = await sessions.run(read);
        await limiter.leave(provider);
        const word = await around(() => ask(`${gateway}/${provider}/${id}`));
        return sessions.run((session) => apply(session, id, word));
      }),
  };
  const apply = async (session: Session, id: bigint, word: string): Promise<Looked> => {
    if (word !== 'ended' && word !== 'later' && word !== 'stuck') throw new Error(`the gateway says ${word}`);
    await session.write(
      `UPDATE thing SET answers = answers + 1, next_at = ${word === 'ended' ? 'NULL' : fromNow} WHERE id = ?`,
      word === 'ended' ? [String(id)] : [laterMs * 1000, String(id)],
    );
    const outcome = word === 'ended' ? 'settled' : word === 'later' ? 'waiting' : 'stuck';
    return { outcome, detail: `the gateway says ${word}`, nextAt: await nextAt(session, id) };
  };
  return { book, close: () => sessions.close() };
}

function ask(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(address, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => resolve(text)).once('error', reject);
    }).once('error', reject);
  });
}
