/**
 * A run of sync-commission-log that is killed half way, and what it left behind.
 *
 * Promises: SIGKILL comes when the journal shows that a part of the rows is committed; the answer comes when the server
 * has noticed, so that what was in hand is rolled back and the locks are free.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { lockName } from '../engine/lock.ts';
import type { Zone } from '../engine/zone.ts';
import { UnavailableError } from '../platform/errors.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import { shards } from './platform-tables.ts';
import { syncCommission as job, type Scene } from './scene.ts';
import { grouped, type Stage, seconds } from './stage.ts';
import { did, type Environment, runJob, start } from './tidemark.ts';

const noticeMs = 20_000;
/** Small windows, so that a crash half way leaves some of them. */
const windowRows = (rows: number) => String(Math.min(50_000, Math.max(250, Math.round(rows / 40))));

interface Left {
  readonly shard: string;
  readonly atSource: number;
  /** Rows in the total table. */
  readonly committed: number;
  /** Rows in the windows of the journal. */
  readonly recorded: number;
  readonly windows: number;
  /** Local text; null when no window was committed. */
  readonly checkpoint: string | null;
}

/** @returns how long it ran, and whether it was killed: a run of few rows may be done before */
async function killHalfWay(
  main: Session,
  environment: Environment,
  rows: number,
): Promise<{ ms: number; killed: boolean }> {
  const { child, ended } = start(['run', job], { ...environment, TIDEMARK_WINDOW_ROWS: windowRows(rows) }, true);
  let over = false;
  const done = ended.finally(() => {
    over = true;
  });
  done.catch(() => undefined); // it is awaited below
  while (!over && (await rowsRecorded(main)) < rows * 0.4) await sleep(10);
  if (!over) child.kill('SIGKILL');
  const { code, ms } = await done;
  if (process.stderr.isTTY) process.stderr.write('\x1b[?25h\x1b[?7h\n'); // the bars hid the cursor and could not bring it back
  await waitForLocks(main);
  return { ms, killed: code === null };
}

async function rowsRecorded(main: Reader): Promise<number> {
  const [row] = await main.tuples('SELECT IFNULL(SUM(rows_read), 0) FROM tidemark_window WHERE job = ?', [job]);
  return Number(row?.[0]);
}

async function waitForLocks(main: Session): Promise<void> {
  const names = shards.map((shard) => lockName(main.database, job, shard));
  const held = `SELECT ${names.map(() => '(IS_USED_LOCK(?) IS NOT NULL)').join(' + ')}`;
  const until = Date.now() + noticeMs;
  while (Number((await main.tuples(held, names))[0]?.[0]) > 0) {
    if (Date.now() > until)
      throw new UnavailableError('MariaDB still holds the locks of a run that was killed', 'tidemark demo');
    await sleep(20);
  }
}

/** What is committed, shard by shard. */
async function whatIsLeft(source: Reader, main: Reader, zone: Zone): Promise<Left[]> {
  const counts = await source.tuples(
    shards.map((shard) => `SELECT '${shard}', COUNT(*) FROM plus_commission_log_${shard}`).join(' UNION ALL '),
  );
  const copied = await main.tuples('SELECT user_id % 10, COUNT(*) FROM plus_commission_log GROUP BY 1');
  const journal = await main.tuples(
    'SELECT shard, SUM(rows_read), COUNT(*), MAX(window_end) FROM tidemark_window WHERE job = ? GROUP BY shard',
    [job],
  );
  return shards.map((shard) => {
    const find = (rows: readonly (readonly unknown[])[]) => rows.find(([name]) => String(name) === shard) ?? [];
    const [, recorded, windows, end] = find(journal);
    const checkpoint = zone.fromText(end === undefined ? null : String(end));
    return {
      shard,
      atSource: Number(find(counts)[1] ?? 0),
      committed: Number(find(copied)[1] ?? 0),
      recorded: Number(recorded ?? 0),
      windows: Number(windows ?? 0),
      checkpoint: checkpoint === null ? null : zone.text(checkpoint),
    };
  });
}

/** The step: killed half way, run again, each row exactly once. */
export async function syncThroughCrash(scene: Scene): Promise<void> {
  const { stage, environment, main, source, zone, rows, wrong } = scene;
  stage.command(`tidemark run ${job}`);
  const { ms, killed } = await killHalfWay(main, environment, rows);
  stage.bad(
    killed
      ? `killed with SIGKILL after ${seconds(ms)}. Committed so far:`
      : `done after ${seconds(ms)}, before it could be killed:`,
  );
  const left = await whatIsLeft(source, main, zone);
  showLeft(stage, left);
  for (const { shard, committed, recorded } of left)
    if (committed !== recorded)
      wrong.push(`after the kill shard ${shard} had ${committed} rows, its journal told of ${recorded}`);
  stage.line('Whole windows only: rows, journal and checkpoint commit together, or not at all.');
  stage.line('');
  stage.command(`tidemark run ${job}`);
  const rest = await runJob(job, environment, main, true);
  stage.line(did(rest));
  const committed = left.reduce((sum, one) => sum + one.committed, 0);
  const sums = `${grouped(committed)} before the kill and ${grouped(rest.read)} now`;
  if (committed + rest.read === rows) stage.good(`${sums}: each of the ${grouped(rows)} rows exactly once`);
  else wrong.push(`${sums} are not the ${grouped(rows)} rows of the source`);
}

function showLeft(stage: Stage, left: readonly Left[]): void {
  const figures = ['atSource', 'committed', 'recorded', 'windows'] as const;
  const sums = figures.map((figure) => grouped(left.reduce((sum, one) => sum + one[figure], 0)));
  stage.table(
    [
      { head: 'SHARD' },
      { head: 'ROWS AT SOURCE', right: true },
      { head: 'IN TOTAL TABLE', right: true },
      { head: 'IN JOURNAL', right: true },
      { head: 'WINDOWS', right: true },
      { head: 'CHECKPOINT' },
    ],
    [
      ...left.map((one) => [one.shard, ...figures.map((figure) => grouped(one[figure])), one.checkpoint ?? 'none yet']),
      ['total', ...sums],
    ],
  );
}
