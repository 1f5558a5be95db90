/** The last step: what was compared, as tables that a person can check at a glance. */
import { readCheckpoint } from '../engine/checkpoint.ts';
import { JobError } from '../platform/errors.ts';
import { compareIncome, compareShards, compareUsers, isEqual, type Pair, totalOf } from './compare.ts';
import { rollup, type Scene } from './scene.ts';
import { grouped, yuan } from './stage.ts';

/** The step: rows, sums and checksums of both sides. */
export async function compareAll(scene: Scene): Promise<void> {
  const { stage, source, main, zone, wrong } = scene;
  stage.step('Source and target, to the fen');
  const byShard = await compareShards(source, main);
  const total = totalOf(byShard);
  stage.table(
    [
      { head: 'SHARD' },
      { head: 'ROWS', right: true },
      { head: 'IN TOTAL TABLE', right: true },
      { head: 'YUAN', right: true },
      { head: 'IN TOTAL TABLE', right: true },
      { head: '' },
    ],
    [...byShard, total].map((pair) => [
      ...[pair.what, grouped(pair.source.rows), grouped(pair.target.rows)],
      ...[yuan(pair.source.fen), yuan(pair.target.fen), verdict(isEqual(pair))],
    ]),
  );
  const until = await readCheckpoint(main, { job: rollup, shard: '' }, zone);
  if (until === null) throw new JobError(`${rollup} has no checkpoint`, 'tidemark status');
  const hour = zone.text(zone.hour(until));
  const users = await compareUsers(source, main);
  const [cells, totals] = (await compareIncome(source, main, hour)) as [Pair, Pair];
  stage.line('');
  stage.table(
    [{ head: 'ALL TOGETHER' }, { head: 'SOURCE', right: true }, { head: 'TARGET', right: true }, { head: '' }],
    [
      line('commission, checksum over all columns', total, 'checksum'),
      line('user extensions, rows', users, 'rows'),
      line('user extensions, checksum over all columns', users, 'checksum'),
      line(`income by user and hour before ${hour.slice(11, 16)}, cells`, cells, 'rows'),
      line('income by user and hour, yuan', cells, 'fen'),
      line('income by user and hour, checksum', cells, 'checksum'),
      line('income by user, users', totals, 'rows'),
      line('income by user, yuan', totals, 'fen'),
      line('income by user, checksum', totals, 'checksum'),
    ],
  );
  for (const pair of [...byShard, users, cells, totals])
    if (!isEqual(pair)) wrong.push(`source and target differ: ${/^\d$/.test(pair.what) ? 'shard ' : ''}${pair.what}`);
}

const verdict = (equal: boolean) => (equal ? 'equal' : 'DIFFERENT');

function line(what: string, { source, target }: Pair, figure: 'rows' | 'fen' | 'checksum'): string[] {
  const text = (value: bigint) =>
    figure === 'rows' ? grouped(value) : figure === 'fen' ? yuan(value) : value.toString(16).padStart(16, '0');
  return [what, text(source[figure]), text(target[figure]), verdict(source[figure] === target[figure])];
}
