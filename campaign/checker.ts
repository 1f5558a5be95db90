/**
 * The checker: plain SQL over the source, the book of what was committed, the audit of what was applied, the journal and
 * the results. It shares no code with the engine, and asks it nothing.
 *
 * A gap is a row that source and target do not agree on; a version that still stood when its window closed and was never
 * applied; one that was applied only later, behind the checkpoint, by a rerun that was not meant to find anything. A
 * repeat is a version that was written twice. A phantom is one that was written and never committed in the source.
 */

import { shards } from '../src/demo/platform-tables.ts';
import type { Cell, Session } from '../src/platform/mysql.ts';

export interface Findings {
  readonly figures: Readonly<Record<string, number>>;
  readonly gaps: number;
  readonly repeats: number;
  /** What is wrong, each with an example. */
  readonly failures: readonly string[];
}

const columns = 'id, user_id, order_sn, amount, type, status, remark, create_time, update_time';
const union = (what: string) =>
  shards.map((shard) => `SELECT ${what} FROM plus.plus_commission_log_${shard}`).join(' UNION ALL ');
const sync = `job = 'sync-commission-log'`;

/** Rows that a query finds, though it should find none: how many, and the first ones. */
async function findings(session: Session, sql: string): Promise<{ count: number; example: string }> {
  const rows = await session.tuples(sql);
  return {
    count: rows.length,
    example: rows
      .slice(0, 3)
      .map((row) => row.join(' '))
      .join('; '),
  };
}

async function number(session: Session, sql: string): Promise<number> {
  return Number((await session.tuples(sql))[0]?.[0] ?? 0);
}

/** Rows that differ between the source, all shards together, and a total table. */
const differingRows = (database: string) => `
  SELECT 'in the source only', s.* FROM (SELECT ${columns} FROM (${union(columns)}) all_shards EXCEPT SELECT ${columns} FROM ${database}.plus_commission_log) s
  UNION ALL
  SELECT 'in the target only', t.* FROM (SELECT ${columns} FROM ${database}.plus_commission_log EXCEPT SELECT ${columns} FROM (${union(columns)}) all_shards) t`;

const repeatedVersions = (database: string) => `
  SELECT id, version, COUNT(*), MIN(at), MAX(at) FROM ${database}.campaign_audit GROUP BY id, version HAVING COUNT(*) > 1`;

const phantoms = `
  SELECT a.id, a.version, a.at FROM mia.campaign_audit a LEFT JOIN campaign.version v ON v.id = a.id AND v.version = a.version WHERE v.id IS NULL`;

/** A version stood at the close of its window when the next one was committed later: more than the second to which the journal tells. */
const missedVersions = `
  SELECT * FROM (
    SELECT v.id, v.version, v.update_time, v.booked_at,
           (SELECT w.closed_at FROM mia.tidemark_window w WHERE w.${sync} AND w.shard = v.shard AND w.window_end > v.update_time
             ORDER BY w.window_end LIMIT 1) closed_at,
           (SELECT MIN(n.booked_at) FROM campaign.version n WHERE n.id = v.id AND n.serial > v.serial) superseded_at
      FROM campaign.version v LEFT JOIN mia.campaign_audit a ON a.id = v.id AND a.version = v.version
     WHERE a.id IS NULL) unapplied
   WHERE superseded_at IS NULL OR superseded_at > closed_at + INTERVAL 1 SECOND`;

const appliedLate = `
  SELECT id, version, update_time, position, at FROM mia.campaign_audit WHERE update_time < position`;

const untiled = `
  SELECT job, shard, window_start, 'does not begin where the one before ended' FROM (
    SELECT job, shard, window_start, LAG(window_end) OVER (PARTITION BY job, shard ORDER BY window_start) before_it FROM mia.tidemark_window) w
   WHERE before_it <> window_start
  UNION ALL
  SELECT c.job, c.shard, c.checkpoint, 'is not where the windows end' FROM mia.tidemark_checkpoint c
    LEFT JOIN (SELECT job, shard, MAX(window_end) last_end FROM mia.tidemark_window GROUP BY job, shard) w USING (job, shard)
   WHERE NOT w.last_end <=> c.checkpoint AND w.last_end IS NOT NULL
  UNION ALL
  SELECT 'sync-commission-log', shard, MIN(update_time), 'is before the first window' FROM (${shards
    .map((shard) => `SELECT '${shard}' shard, update_time FROM plus.plus_commission_log_${shard}`)
    .join(' UNION ALL ')}) s
   GROUP BY shard HAVING MIN(update_time) < (SELECT MIN(window_start) FROM mia.tidemark_window w WHERE w.${sync} AND w.shard = s.shard)`;

/** What the windows say that they wrote, beside what was written. */
const unequalSums = `
  SELECT * FROM (
    SELECT (SELECT IFNULL(SUM(inserted), 0) FROM mia.tidemark_window WHERE ${sync}) told_inserted,
           (SELECT COUNT(*) FROM mia.campaign_audit WHERE action = 'INSERT') inserted,
           (SELECT IFNULL(SUM(updated), 0) FROM mia.tidemark_window WHERE ${sync}) told_updated,
           (SELECT COUNT(*) FROM mia.campaign_audit WHERE action = 'UPDATE') updated) sums
   WHERE told_inserted <> inserted OR told_updated <> updated`;

const openHour = `(SELECT CONCAT(LEFT(checkpoint, 13), ':00:00') FROM mia.tidemark_checkpoint WHERE job = 'rollup-income')`;
const incomeOfSource = `
  SELECT user_id, CAST(CONCAT(LEFT(create_time, 13), ':00:00') AS DATETIME) hour, CAST(SUM(amount) AS SIGNED) amount, COUNT(*) entries
    FROM (${union('user_id, create_time, amount, status')}) l WHERE status = 1 GROUP BY 1, 2`;

const wrongIncome = `
  SELECT 'in the source only', s.* FROM (
    SELECT * FROM (${incomeOfSource}) income WHERE hour < ${openHour} EXCEPT SELECT user_id, hour, amount, entries FROM mia.user_income_hour) s
  UNION ALL
  SELECT 'in the target only', t.* FROM (
    SELECT user_id, hour, amount, entries FROM mia.user_income_hour EXCEPT SELECT * FROM (${incomeOfSource}) income WHERE hour < ${openHour}) t`;

const wrongTotals = `
  SELECT 'total', s.* FROM (SELECT user_id, amount, entries FROM mia.user_income EXCEPT
    SELECT user_id, CAST(SUM(amount) AS SIGNED), SUM(entries) FROM mia.user_income_hour GROUP BY user_id) s
  UNION ALL
  SELECT 'hours', t.* FROM (SELECT user_id, CAST(SUM(amount) AS SIGNED), SUM(entries) FROM mia.user_income_hour GROUP BY user_id
    EXCEPT SELECT user_id, amount, entries FROM mia.user_income) t`;

const undrained = `SELECT id, user_id, hour FROM mia.commission_change WHERE hour < ${openHour}`;

const leftOpen = `
  SELECT ID, USER, COMMAND, TIME, LEFT(INFO, 80) FROM information_schema.PROCESSLIST WHERE USER IN ('campaign_runner', 'campaign_caller')
  UNION ALL SELECT trx_mysql_thread_id, 'a transaction', trx_state, trx_started, trx_query FROM information_schema.INNODB_TRX
   WHERE trx_mysql_thread_id <> CONNECTION_ID()`;

const heldLocks = `
  SELECT name, IS_USED_LOCK(name) FROM (
    SELECT 'tidemark:mia:rollup-income:' name UNION ALL
    ${shards.map((shard) => `SELECT 'tidemark:mia:sync-commission-log:${shard}'`).join(' UNION ALL ')}) locks
   WHERE IS_USED_LOCK(name) IS NOT NULL`;

const triggersMet = `
  SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS
   WHERE VARIABLE_NAME IN ('FEATURE_TRIGGER', 'EXECUTED_TRIGGERS') AND VARIABLE_VALUE > 0`;

/**
 * What tidemark has made of it all. To be asked when every process has ended, and all checkpoints are past the last write.
 *
 * @param session of the main server, after the source and the book were copied there
 * @param source of the source's own server, where nothing may be left open
 */
export async function check(session: Session, source: Session): Promise<Findings> {
  const failures: string[] = [];
  const expectNone = async (what: string, sql: string, asked = session): Promise<number> => {
    const { count, example } = await findings(asked, sql);
    if (count > 0) failures.push(`${count} ${what}: ${example}`);
    return count;
  };
  const differing = await expectNone('rows differ between source and target', differingRows('mia'));
  const missed = await expectNone('versions that stood when their window closed were not applied', missedVersions);
  const late = await expectNone('versions were applied behind the checkpoint', appliedLate);
  const repeats = await expectNone('versions were applied more than once', repeatedVersions('mia'));
  await expectNone('versions were applied that were never committed', phantoms);
  await expectNone('flaws in the tiling of the windows', untiled);
  await expectNone('sums of the journal differ from what was written', unequalSums);
  await expectNone('cells of income differ from the source', wrongIncome);
  await expectNone('totals of income are not the sums of their hours', wrongTotals);
  await expectNone('entries of complete hours are left in the change log', undrained);
  await expectNone('dead letters', 'SELECT job, shard, row_key, reason FROM mia.tidemark_dead_letter');
  for (const [place, server] of [
    ['source', source],
    ['target', session],
  ] as const) {
    await expectNone(`connections or transactions are left open in the ${place}`, leftOpen, server);
    await expectNone(`named locks are left in the ${place}`, heldLocks, server);
    await expectNone(`XA transactions are left in the ${place}`, 'XA RECOVER', server);
  }
  await expectNone('kinds of triggers were met by the source, so that its times are not exact', triggersMet, source);
  return { figures: await figures(session), gaps: differing + missed + late, repeats, failures };
}

async function figures(session: Session): Promise<Record<string, number>> {
  const count = (sql: string) => number(session, `SELECT COUNT(*) FROM ${sql}`);
  return {
    'versions committed': await count('campaign.version WHERE serial > 0'),
    'of these more than a second late': await count(
      'campaign.version WHERE serial > 0 AND booked_at > update_time + INTERVAL 2 SECOND',
    ),
    'versions applied': await count('mia.campaign_audit'),
    windows: await count('mia.tidemark_window'),
    'windows with rows': await count('mia.tidemark_window WHERE rows_read > 0'),
    'shard runs': await count('mia.tidemark_run'),
    'held back': await count(`mia.tidemark_run WHERE outcome = 'held-back'`),
    'cells of income': await count('mia.user_income_hour'),
  };
}

type Evidence = 'gaps' | 'repeats' | 'wrong income';

const serialOf = (table: string) => `CAST(SUBSTRING_INDEX(${table}.remark, '.', 1) AS UNSIGNED)`;

/** Rows behind the position that a control had before the source was copied, which it has not applied, nor newer ones. */
const leftBehind = (database: string) =>
  shards
    .map(
      (shard) => `
  SELECT s.id FROM plus.plus_commission_log_${shard} s LEFT JOIN ${database}.plus_commission_log t ON t.id = s.id
   WHERE s.update_time < (SELECT at FROM ${database}.position_before WHERE shard = '${shard}')
     AND (t.id IS NULL OR ${serialOf('t')} < ${serialOf('s')})`,
    )
    .join(' UNION ALL ');

const wrongIncomeOf = (database: string) => `
  SELECT user_id, hour, amount FROM ${database}.income_hour WHERE amount <> 0
  EXCEPT SELECT user_id, hour, amount FROM (${incomeOfSource}) income`;

/** How many flaws of its own kind a control has left, when all is settled. */
export async function judgeControl(session: Session, database: string, evidence: Evidence): Promise<number> {
  const sql = { gaps: differingRows, repeats: repeatedVersions, 'wrong income': wrongIncomeOf }[evidence](database);
  return (await findings(session, sql)).count;
}

/** Keeps in mind where a control stands. To be done before the source is copied, for `seenInControl`. */
export async function notePosition(session: Session, database: string): Promise<void> {
  await session.write(
    `CREATE OR REPLACE TEMPORARY TABLE ${database}.position_before SELECT * FROM ${database}.position`,
  );
}

/** The same while everything goes on; of income, whether there is any. */
export async function seenInControl(session: Session, database: string, evidence: Evidence): Promise<number> {
  const sql = { gaps: leftBehind, repeats: repeatedVersions, 'wrong income': wrongIncomeOf }[evidence](database);
  return (await findings(session, sql)).count;
}

/** Every checkpoint, and under which key and as what it should stand in Redis. */
export async function expectedCopies(session: Session): Promise<[key: string, value: string][]> {
  const rows = await session.tuples(`
    SELECT CONCAT('tidemark:checkpoint:', job, IF(shard = '', '', ':'), shard),
           DATE_FORMAT(CONVERT_TZ(checkpoint, '+08:00', '+00:00'), '%Y-%m-%dT%H:%i:%s.000Z') FROM mia.tidemark_checkpoint`);
  return rows.map(([key, value]) => [String(key), String(value)]);
}

/** The instant of the last write to the source, as text. */
export async function lastWrite(session: Session): Promise<Cell> {
  return (await session.tuples(`SELECT MAX(update_time) FROM (${union('update_time')}) s`))[0]?.[0] ?? null;
}

/** The lowest checkpoint of some shards, as text. */
export async function lowestCheckpoint(
  session: Session,
  job: string,
  shardsOfJob: readonly string[],
): Promise<string | null> {
  const sql = 'SELECT CAST(MIN(checkpoint) AS CHAR) FROM mia.tidemark_checkpoint WHERE job = ? AND shard IN (?)';
  const [row] = await session.tuples(sql, [job, shardsOfJob]);
  return (row?.[0] ?? null) as string | null;
}

/** Whether all checkpoints are past an instant. */
export async function isPast(session: Session, instant: Cell): Promise<boolean> {
  return (
    (await number(session, `SELECT COUNT(*) FROM mia.tidemark_checkpoint WHERE checkpoint > '${instant}'`)) ===
    shards.length + 1
  );
}
