import { cellExpressions, logChanges } from '../src/commission/change-log.ts';
import { defineJob } from '../src/engine/job.ts';
import { syncTable } from '../src/sync/sync-table.ts';

/** The ten shards of the commission log, by the last digit of the user's id, copied into the total table. */
export const syncCommissionLog = defineJob({
  name: 'sync-commission-log',
  summary: 'copies changed commission of ten shards into the total table',
  shards: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  schedule: '*/2 * * * *',
  staggerSeconds: 6,
  target: 'main',
  source: { table: (shard) => `plus_commission_log_${shard}`, time: 'update_time', key: 'id', sum: 'amount' },
  ...syncTable({
    table: 'plus_commission_log',
    time: 'update_time',
    key: 'id',
    observe: cellExpressions,
    written: (target, images) => logChanges(target, images),
  }),
});
