/** The step that makes the platform: its tables, filled with sample data, where nothing was, or something else. */
import { dropTables, flushRedis } from './fresh.ts';
import { createPlatformTables } from './platform-tables.ts';
import { fillSource } from './sample-data.ts';
import type { Scene } from './scene.ts';
import { grouped, seconds } from './stage.ts';

export async function fill({ rows, stage, servers, source, main, ledger, zone, settleMs }: Scene): Promise<void> {
  stage.step('A membership platform with sample data, in the database plus');
  let erased = 0;
  for (const session of [source, main, ledger]) erased += await dropTables(session);
  await flushRedis(servers.settings.REDIS_URL);
  if (erased > 0) stage.line(`erased: ${erased} tables that were there from before, and all of Redis`);
  await createPlatformTables(source);
  const users = Math.min(50_000, Math.max(100, Math.round(rows / 10)));
  const end = Math.floor((Date.now() - settleMs - 2000) / 1000) * 1000;
  const startedAt = Date.now();
  const bar = await openBar(rows);
  await fillSource(source, { rows, users, days: 30, end, seed: 20_261_120 }, zone, (more) => bar?.increment(more));
  bar?.stop();
  stage.line(
    `user_extension: ${grouped(users)} users. plus_commission_log_0 to _9, by the last digit of the user's id:`,
  );
  stage.line(
    `${grouped(rows)} rows of the last 30 days, written in ${seconds(Date.now() - startedAt)}. A quarter belongs to ten heavy`,
  );
  stage.line('users; there are refunds, cancellations, late rows, emoji, thousands of rows stamped with');
  stage.line('one second, and amounts that no double can hold (in shard 8).');
}

/** On a terminal only. The cursor stays visible, so that Ctrl-C leaves nothing to mend. */
async function openBar(rows: number): Promise<{ increment(rows: number): void; stop(): void } | null> {
  if (!process.stderr.isTTY) return null;
  const { SingleBar, Presets } = (await import('cli-progress')).default;
  const format = '    {bar} {percentage}% {value}/{total} rows';
  const bar = new SingleBar(
    { format, barsize: 40, clearOnComplete: true, gracefulExit: false },
    Presets.shades_classic,
  );
  bar.start(rows, 0);
  return bar;
}
