import type { Migration } from './migration.ts';

/** A user's months are summed up from the index alone: the rows themselves lie by the hour, all over the table. */
export const incomeByUser: Migration = {
  name: '0023-income-by-user',
  sql: 'ALTER TABLE user_income_hour DROP KEY by_user, ADD KEY by_user (user_id, hour, amount)',
};
