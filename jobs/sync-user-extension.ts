import { defineJob } from '../src/engine/job.ts';
import { syncTable } from '../src/sync/sync-table.ts';

/** User extensions of the membership database, copied into the main one, where its queries join on them. */
export const syncUserExtension = defineJob({
  name: 'sync-user-extension',
  summary: 'copies changed user extensions into the main database',
  shards: [],
  schedule: '*/2 * * * *',
  target: 'main',
  source: { table: () => 'user_extension', time: 'update_time', key: 'id' },
  ...syncTable({ table: 'user_extension', time: 'update_time', key: 'id' }),
});
