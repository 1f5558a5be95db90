/**
 * Changes at the source the way the platform makes them: a row cancelled, one re-priced, one that arrives days late;
 * each by one statement that stamps update_time with NOW(). Each row lies in an hour that is long complete.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Zone } from '../engine/zone.ts';
import { JobError } from '../platform/errors.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import { rollup, type Scene, syncCommission } from './scene.ts';
import { grouped, seconds, yuan } from './stage.ts';
import { did, runJob } from './tidemark.ts';

interface Change {
  readonly what: string;
  readonly shard: string;
  readonly user: string;
  /** The hour that the row's income belongs to, local text. */
  readonly hour: string;
  /** What the change does to that hour's income, in fen. */
  readonly by: bigint;
}

const lateDays = 3;

interface Row {
  readonly id: string;
  readonly user: string;
  readonly order: string;
  readonly amount: bigint;
  readonly created: string;
}

/** An effective row from the middle of a shard; where there is one, of its heavy user. */
async function effectiveRow(source: Reader, shard: string, rows: number): Promise<Row> {
  const [row] = await source.tuples(
    `SELECT id, user_id, order_sn, amount, create_time FROM plus_commission_log_${shard}
      WHERE status = 1 AND amount BETWEEN 10000 AND 1000000000 AND create_time < NOW() - INTERVAL 1 DAY AND id >= ?
      ORDER BY user_id = ? DESC, id LIMIT 1`,
    [Math.floor(rows / 2), 1000 + Number(shard)],
  );
  if (row === undefined) throw new JobError(`shard ${shard} has no row to change`, 'tidemark demo --rows 200000');
  const [id, user, order, amount, created] = row.map(String) as [string, string, string, string, string];
  return { id, user, order, amount: BigInt(amount), created };
}

const hourOf = (time: string) => `${time.slice(0, 13)}:00:00`;

/** A session's NOW() in the business time zone, as the platform's own sessions have it. */
async function useBusinessTime(source: Session, zone: Zone): Promise<void> {
  const now = Math.floor(Date.now() / 1000) * 1000;
  const minutes = (Date.parse(`${zone.text(now).replace(' ', 'T')}Z`) - now) / 60_000;
  const two = (part: number) => String(Math.floor(Math.abs(part))).padStart(2, '0');
  await source.write(`SET time_zone = '${minutes < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}'`);
}

/** Changes three rows. `rows` is the largest id in use. */
async function changeSource(source: Session, zone: Zone, rows: number): Promise<Change[]> {
  await useBusinessTime(source, zone);
  const cancelled = await effectiveRow(source, '3', rows);
  await source.write('UPDATE plus_commission_log_3 SET status = 2, update_time = NOW() WHERE id = ?', [cancelled.id]);
  const priced = await effectiveRow(source, '7', rows);
  await source.write('UPDATE plus_commission_log_7 SET amount = amount + 100, update_time = NOW() WHERE id = ?', [
    priced.id,
  ]);
  await source.write(
    `INSERT INTO plus_commission_log_5 VALUES (?, 1005, ?, 8800, 1, 1, 'arrived late 🐢', NOW() - INTERVAL ${lateDays} DAY, NOW())`,
    [rows + 1, `SN${20_260_000_000_000 + rows + 1}`],
  );
  const [late] = await source.tuples('SELECT create_time FROM plus_commission_log_5 WHERE id = ?', [rows + 1]);
  return [
    change(`${cancelled.order} cancelled`, '3', cancelled, -cancelled.amount),
    change(`${priced.order} re-priced`, '7', priced, 100n),
    change(`a row ${lateDays} days late`, '5', { user: '1005', created: String(late?.[0]) }, 8800n),
  ];
}

function change(what: string, shard: string, row: Pick<Row, 'user' | 'created'>, by: bigint): Change {
  return { what, shard, user: row.user, hour: hourOf(row.created), by };
}

/** The income of each change's hour, in fen. */
async function incomeOf(main: Reader, changes: readonly Change[]): Promise<bigint[]> {
  const income: bigint[] = [];
  for (const { user, hour } of changes) {
    const [row] = await main.tuples('SELECT amount FROM user_income_hour WHERE user_id = ? AND hour = ?', [user, hour]);
    income.push(BigInt(String(row?.[0] ?? 0)));
  }
  return income;
}

/** The step: only these rows are read, and income follows. */
export async function followChanges(scene: Scene): Promise<void> {
  const { stage, environment, main, source, zone, rows, settleMs, wrong } = scene;
  stage.step('The platform changes old rows');
  const changes = await changeSource(source, zone, rows);
  const before = await incomeOf(main, changes);
  stage.line('Each is stamped with NOW(). About two seconds later the watermark has passed them.');
  await sleep(settleMs + 1200);
  stage.command(`tidemark run ${syncCommission}`);
  const sync = await runJob(syncCommission, environment, main);
  stage.line(did(sync));
  stage.command(`tidemark run ${rollup}`);
  const { read, ms } = await runJob(rollup, environment, main);
  stage.line(`${grouped(read)} cells recomputed in ${seconds(ms)}:`);
  const after = await incomeOf(main, changes);
  stage.table(
    [
      { head: 'CHANGE' },
      { head: 'SHARD' },
      { head: 'USER', right: true },
      { head: 'HOUR OF INCOME' },
      { head: 'BEFORE', right: true },
      { head: 'AFTER, YUAN', right: true },
    ],
    changes.map(({ what, shard, user, hour }, index) => [
      ...[what, shard, user, hour.slice(0, 16)],
      ...[yuan(before[index] ?? 0n), yuan(after[index] ?? 0n)],
    ]),
  );
  if (sync.read !== changes.length) wrong.push(`${sync.read} rows were read for ${changes.length} changed ones`);
  for (const [index, { what, by }] of changes.entries())
    if ((before[index] ?? 0n) + by !== after[index]) wrong.push(`income does not follow: ${what}`);
}
