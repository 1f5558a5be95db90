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
  why: 'The ten shards write one table. They may do so at once; 6 seconds apart they also do not all ask at once. A shard that is slow or fails holds up no other.',
  also: [
    {
      schedule: '40 * * * *',
      options: ['--sweep', '--concurrency', '1', '--if-locked', 'wait', '--timeout', '15m'],
      why: 'The same sweep over the ten shards, one at a time.',
    },
    {
      schedule: '10 3 * * *',
      options: ['--repair', '--if-locked', 'wait', '--timeout', '15m'],
      why: 'The refused rows of the ten shards.',
    },
  ],
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
