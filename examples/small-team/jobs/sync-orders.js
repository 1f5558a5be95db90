import { defineJob, syncTable } from 'tidemark';

/** Orders of the shop, copied into the reporting database every five minutes. */
export const syncOrders = defineJob({
  name: 'sync-orders',
  summary: 'copies changed orders into the reporting database',
  shards: [],
  schedule: '*/5 * * * *',
  target: 'main',
  source: { table: () => 'orders', time: 'updated_at', key: 'id', sum: 'amount' },
  ...syncTable({ table: 'orders', time: 'updated_at', key: 'id' }),
});
