/**
 * The checker of payments: plain SQL over tidemark's tables, the books of the shops, and the providers' own books and logs
 * of requests, which are brought into temporary tables beside them. It shares no code with the payments, and asks them
 * nothing. To be asked when nothing is open any more.
 */
import type { Session } from '../../src/platform/mysql.ts';
import { flawsOf } from '../../test/support/ledger-world.ts';
import { readBook } from './book.ts';
import { openingFen } from './errands.ts';
import type { Stall } from './metronome.ts';
import { bringMovements, gaps, insert, makeTables, type Row, repeats, strangers, wrongWallets } from './movements.ts';
import type { ProviderBook } from './provider-book.ts';
import type { Stage } from './stage.ts';

export interface PaymentFindings {
  /** Counts are numbers, fen are bigint. */
  readonly figures: Readonly<Record<string, number | bigint>>;
  readonly gaps: number;
  readonly repeats: number;
  /** What is wrong, each with an example. */
  readonly failures: readonly string[];
}

/** Requests a second that a provider takes of us. */
const rate = 100;

const askedTable = `CREATE OR REPLACE TEMPORARY TABLE asked (
  asked_by VARCHAR(64) NOT NULL PRIMARY KEY,
  kind ENUM('order', 'payout') NOT NULL,
  account_id BIGINT UNSIGNED NOT NULL,
  provider VARCHAR(16) NOT NULL,
  amount BIGINT NOT NULL COMMENT 'fen',
  tax_rule VARCHAR(16) NULL
) ENGINE = InnoDB`;

const answeredTable = `CREATE OR REPLACE TEMPORARY TABLE answered (
  number INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  asked_by VARCHAR(64) NOT NULL,
  code INT NOT NULL,
  id BIGINT UNSIGNED NULL,
  reason VARCHAR(1000) NULL,
  KEY (asked_by, code)
) ENGINE = InnoDB`;

const askingTable = `CREATE OR REPLACE TEMPORARY TABLE asking (
  number INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  provider VARCHAR(16) NOT NULL,
  what VARCHAR(32) NOT NULL,
  id BIGINT UNSIGNED NULL,
  started_at BIGINT NOT NULL COMMENT 'microseconds',
  ended_at BIGINT NOT NULL,
  fault VARCHAR(32) NULL,
  KEY (id, started_at),
  KEY (provider, started_at)
) ENGINE = InnoDB`;

const stallTable = `CREATE OR REPLACE TEMPORARY TABLE stall (
  began_at BIGINT NOT NULL COMMENT 'microseconds',
  ended_at BIGINT NOT NULL
) ENGINE = InnoDB`;

/** A second in which a provider was asked more often than it allows, by the first request that was too many. */
const crowds = `(SELECT provider, started_at, later FROM (
    SELECT provider, started_at, LEAD(started_at, ${rate}) OVER (PARTITION BY provider ORDER BY started_at, number) later FROM asking) w
   WHERE later - started_at < 1000000)`;
/** Requests that were held up by a stall come behind it, among those that were given leave later. */
const stalled = 'SELECT 1 FROM stall s WHERE s.began_at <= c.later AND s.ended_at >= c.started_at - 1000000';

/** Withheld of labour services, as the tax office's page says it, for sums up to 24,000 yuan. */
const taxOfRule = `IF(tax_rule = 'labour-cn', ROUND(CASE WHEN amount <= 80000 THEN 0 WHEN amount <= 400000 THEN (amount - 80000) * 0.2 ELSE amount * 0.8 * 0.2 END), 0)`;

/** Orders by the key that they carry, because who was killed may have got no answer; payouts by their answers. */
const knowThem = (details: string) => `INSERT INTO known (id, kind, asked_by, account_id, provider, amount, wallet)
  SELECT d.order_id, a.kind, a.asked_by, a.account_id, a.provider, a.amount, a.amount
    FROM asked a JOIN ${details} d ON d.idempotency_key = a.asked_by AND d.merchant_id = a.account_id WHERE a.kind = 'order'
  UNION ALL
  SELECT w.id, a.kind, a.asked_by, a.account_id, a.provider, a.amount - ${taxOfRule}, -a.amount
    FROM asked a JOIN (SELECT asked_by, MIN(id) id FROM answered WHERE code = 0 GROUP BY asked_by) w ON w.asked_by = a.asked_by
   WHERE a.kind = 'payout'`;

export async function orderTables(session: Session): Promise<string[]> {
  const rows = await session.tuples(
    `SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name REGEXP '^pay_order_[0-9]+$'`,
  );
  return rows.map(([name]) => String(name));
}

const unionOf = (columns: string, tables: readonly string[]) =>
  `(${tables.map((table) => `SELECT ${columns} FROM ${table}`).join(' UNION ALL ')})`;
const ordersOf = (tables: readonly string[]) =>
  unionOf('order_id, merchant_id, provider, amount, state, bill_id, credited, returned, concern', tables);
const detailsOf = (tables: readonly string[]) =>
  unionOf(
    'order_id, merchant_id, idempotency_key',
    tables.map((table) => table.replace('pay_order_', 'pay_order_detail_')),
  );

/** Each selects what must not be. */
function flawsWith(orders: string): Record<string, string> {
  return {
    ...gaps,
    ...repeats,
    ...strangers,
    ...wrongWallets(openingFen),
    'shops have no final answer': `
      SELECT a.asked_by FROM asked a LEFT JOIN answered w ON w.asked_by = a.asked_by AND w.code >= 0 WHERE w.code IS NULL`,
    // An order that was made is refused later: it has expired, or is paid.
    'shops were answered in two ways': `
      SELECT asked_by, GROUP_CONCAT(DISTINCT CONCAT_WS(' ', w.code, w.id)) FROM answered w JOIN asked a USING (asked_by)
       WHERE w.code = 0 OR (w.code > 0 AND a.kind = 'payout')
       GROUP BY asked_by HAVING COUNT(DISTINCT CONCAT_WS(' ', w.code, w.id)) > 1`,
    'shops were told of something that is not there': `
      SELECT w.asked_by, w.id FROM answered w LEFT JOIN known k ON k.id = w.id AND k.asked_by = w.asked_by WHERE w.code = 0 AND k.id IS NULL`,
    'an order is not what was asked for, or is not there': `
      SELECT k.id, k.account_id, k.amount, o.merchant_id, o.amount FROM known k LEFT JOIN ${orders} o ON o.order_id = k.id
       WHERE k.kind = 'order' AND NOT (o.merchant_id <=> k.account_id AND o.amount <=> k.amount AND o.provider <=> k.provider)`,
    'a payout is not what was asked for, or is not there': `
      SELECT k.id, k.account_id, k.amount, p.account_id, p.net FROM known k LEFT JOIN payout p ON p.payout_id = k.id
       WHERE k.kind = 'payout' AND NOT (p.account_id <=> k.account_id AND p.net <=> k.amount AND p.gross <=> -k.wallet AND p.provider <=> k.provider)`,
    'orders or payouts were asked for by nobody': `
      SELECT order_id FROM ${orders} o LEFT JOIN known k ON k.id = o.order_id WHERE k.id IS NULL
      UNION ALL SELECT payout_id FROM payout p LEFT JOIN known k ON k.id = p.payout_id WHERE k.id IS NULL AND p.state <> 'refused'`,
    'orders were given up that are paid': `
      SELECT o.order_id, o.state, t.word FROM ${orders} o JOIN there t ON t.id = o.order_id WHERE o.state = 'closed' AND t.moved > t.returned`,
    'orders were credited that nobody has paid': `
      SELECT o.order_id, o.state, t.word FROM ${orders} o LEFT JOIN there t ON t.id = o.order_id WHERE o.credited AND IFNULL(t.moved, 0) = 0`,
    'an order was credited by another bill than its own, or by two': `
      SELECT o.order_id, o.credited, b.times, b.last FROM ${orders} o
        LEFT JOIN (SELECT CAST(order_id AS UNSIGNED) id, COUNT(*) times, MAX(bill_id) last FROM bill
                    WHERE channel = 'recharge' AND result = 'success' AND order_id IS NOT NULL GROUP BY 1) b ON b.id = o.order_id
       WHERE IFNULL(b.times, 0) <> o.credited OR b.last <> o.bill_id`,
    'refunds in part, or what nobody planted, wait or do not wait for a person': `
      SELECT o.order_id, o.state, o.concern, t.word FROM ${orders} o LEFT JOIN there t ON t.id = o.order_id
       WHERE (o.concern IS NOT NULL) <> (IFNULL(t.partly, 0) > 0)`,
    'a payout is not in the state that its provider has it in': `
      SELECT p.payout_id, p.state, t.word FROM payout p LEFT JOIN there t ON t.id = p.payout_id
       WHERE p.state <> CASE WHEN IFNULL(t.moved, 0) = 0 THEN IF(p.state = 'refused', 'refused', 'failed') WHEN t.returned = 0 THEN 'paid' ELSE 'returned' END`,
    'a refused payout was sent': `
      SELECT p.payout_id, t.word FROM payout p JOIN there t ON t.id = p.payout_id WHERE p.state = 'refused'`,
    'money is held for what is over': 'SELECT h.bill_id, h.account_id, h.amount FROM open_hold h',
    'bills are unprocessed': `SELECT bill_id, channel, order_id, created_at FROM bill WHERE result = 'unprocessed'`,
    'letters are not those that wait for a person': `
      SELECT l.id, l.job, l.row_key FROM tidemark_dead_letter l LEFT JOIN ${orders} o ON l.row_key LIKE CONCAT('%', o.order_id) AND o.concern IS NOT NULL
       WHERE l.state = 'open' AND o.order_id IS NULL`,
    'an order or a payout was asked about twice at the same time': `
      SELECT id, what, started_at, last_end FROM (
        SELECT id, what, started_at, MAX(ended_at) OVER (PARTITION BY id ORDER BY started_at, number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) last_end
          FROM asking WHERE what IN ('query', 'transfer-query')) w WHERE started_at < last_end`,
    'a provider was asked above the rate, and the machine had not stood still': `
      SELECT provider, started_at, later FROM ${crowds} c WHERE NOT EXISTS (${stalled})`,
  };
}

export async function checkPayments(
  stage: Stage,
  books: readonly string[],
  stalls: readonly Stall[],
): Promise<PaymentFindings> {
  const session = await stage.open();
  try {
    return await findIn(session, books, await stage.gateway.book(), stalls);
  } finally {
    await session.close();
  }
}

/** As `checkPayments`, of what is given. */
export async function findIn(
  session: Session,
  books: readonly string[],
  there: ProviderBook,
  stalls: readonly Stall[] = [],
): Promise<PaymentFindings> {
  await bringAll(session, books, there);
  await insert(
    session,
    'stall',
    stalls.map(({ from, to }) => [from * 1000, to * 1000]),
  );
  const found = await flawsOf(session, flawsWith(ordersOf(await orderTables(session))));
  const count = (flaws: object) => Object.keys(flaws).reduce((sum, flaw) => sum + (found[flaw]?.length ?? 0), 0);
  const failures = Object.entries(found).map(([flaw, rows]) => {
    const examples = rows.slice(0, 3).map((row) => row.join(' '));
    return `${rows.length} × ${flaw}: ${examples.join('; ')}`;
  });
  return { figures: await figuresOf(session), gaps: count(gaps), repeats: count(repeats), failures };
}

async function bringAll(session: Session, books: readonly string[], there: ProviderBook): Promise<void> {
  await makeTables(session);
  for (const table of [askedTable, answeredTable, askingTable, stallTable]) await session.write(table);
  for (const path of books) await bringBook(session, path);
  await session.write(knowThem(detailsOf(await orderTables(session))));
  await bringMovements(session, there);
  const askings = there.askings.map(({ provider, what, id, startedAt, endedAt, fault }) => [
    ...[null, provider, what, id],
    ...[startedAt, endedAt, fault],
  ]);
  await insert(session, 'asking', askings);
}

async function bringBook(session: Session, path: string): Promise<void> {
  const asked: Row[] = [];
  const answered: Row[] = [];
  for (const entry of readBook(path)) {
    if ('errand' in entry) {
      const { key, kind, accountId, provider, amount } = entry.errand;
      const taxRule = entry.errand.kind === 'payout' ? entry.errand.taxRule : null;
      asked.push([key, kind, String(accountId), provider, String(amount), taxRule]);
    } else {
      const { key, code, id, reason } = entry.answer;
      answered.push([null, key, code, id === null ? null : String(id), reason]);
    }
  }
  await insert(session, 'asked', asked);
  await insert(session, 'answered', answered);
}

async function figuresOf(session: Session): Promise<Record<string, number | bigint>> {
  const count = async (from: string) => Number((await session.tuples(`SELECT COUNT(*) FROM ${from}`))[0]?.[0]);
  const [moved] = await session.tuples('SELECT CAST(IFNULL(SUM(moved * amount), 0) AS CHAR) FROM there');
  const fen = BigInt(String(moved?.[0]));
  return {
    orders: await count(`known WHERE kind = 'order'`),
    payouts: await count(`known WHERE kind = 'payout'`),
    'refused by tidemark': await count('(SELECT asked_by FROM answered WHERE code > 0 GROUP BY asked_by) refused'),
    'asked again by shops': (await count('answered')) - (await count('asked')),
    'paid orders': await count(`there WHERE kind = 'order' AND moved = 1`),
    'given back to buyers': await count(`there WHERE kind = 'order' AND returned = 1`),
    'paid payouts': await count(`there WHERE kind = 'payout' AND moved = 1`),
    'come back': await count(`there WHERE kind = 'payout' AND returned = 1`),
    'fen moved': fen,
    'requests to providers': await count('asking'),
    'of these answered falsely or not at all': await count('asking WHERE fault IS NOT NULL'),
    'most in a second': await mostInASecond(session),
    'above the rate while the machine stood still': await count(`${crowds} c WHERE EXISTS (${stalled})`),
    'times that it stood still': await count('stall'),
  };
}

async function mostInASecond(session: Session): Promise<number> {
  const [row] = await session.tuples(
    `SELECT MAX(n) FROM (SELECT COUNT(*) OVER (PARTITION BY provider ORDER BY started_at RANGE BETWEEN 999999 PRECEDING AND CURRENT ROW) n FROM asking) w`,
  );
  return Number(row?.[0] ?? 0);
}

/** How many wallets of a control are not what its provider says. To be asked when it has come to rest. */
export async function judgeControl(session: Session, there: ProviderBook): Promise<number> {
  await bringControl(session, there);
  const [wrong] = Object.values(wrongWallets(openingFen));
  return (await session.tuples(wrong as string)).length;
}

/**
 * Whether a control has left something by now that it will not put right. What it has in hand does not count.
 *
 * @param forgets whether it never comes back to what it has begun
 */
export async function hasErred(session: Session, there: ProviderBook, forgets: boolean): Promise<boolean> {
  await bringControl(session, there);
  const forgotten = `w.state = 'begun' AND w.noted_at < NOW() - INTERVAL 5 SECOND AND t.moved = 1`;
  const erred = `SELECT 1 FROM wanted w JOIN there t ON t.id = w.payout_id
    WHERE (w.state = 'failed' AND t.moved = 1) OR (w.state = 'paid' AND t.word = 'failed') OR (${forgets} AND ${forgotten}) LIMIT 1`;
  return (await session.tuples(erred)).length > 0;
}

async function bringControl(session: Session, there: ProviderBook): Promise<void> {
  await makeTables(session);
  await session.write(
    `INSERT INTO known SELECT payout_id, 'payout', payout_id, account_id, 'alipay', amount, -amount FROM wanted`,
  );
  await bringMovements(session, there);
}
