import type { Migration } from './migration.ts';

/** A statement names a payment by its order: `reconcile-day` looks up what became of one that it misses. */
export const billByOrder: Migration = {
  name: '0024-bill-by-order',
  sql: 'ALTER TABLE bill ADD KEY by_order (order_id)',
};
