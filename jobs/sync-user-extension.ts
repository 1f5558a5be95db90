import { defineJob } from '../src/engine/job.ts';
import { syncTable } from '../src/sync/sync-table.ts';

/** User extensions of the membership database, copied into the main one, where its queries join on them. */
export const syncUserExtension = defineJob({
  name: 'sync-user-extension',
  summary: 'copies changed user extensions into the main database',
  shards: [],
  schedule: '*/2 * * * *',
  also: [
    {
      schedule: '35 * * * *',
      options: ['--sweep', '--if-locked', 'wait', '--timeout', '10m'],
      why: "The closed windows of the last day once more, for rows that were stamped by an application's clock and came in behind the checkpoint. `wait`: the lock is often taken for a moment by the plain runs. `timeout`: but not for ever.",
    },
    {
      schedule: '5 3 * * *',
      options: ['--repair', '--if-locked', 'wait', '--timeout', '10m'],
      why: 'Rows that were refused, tried again as they are now. Tells every morning what is still refused.',
    },
  ],
  target: 'main',
  source: { table: () => 'user_extension', time: 'update_time', key: 'id' },
  ...syncTable({ table: 'user_extension', time: 'update_time', key: 'id' }),
});
