import type { Migration } from './migration.ts';

/** Each switch has its row from the beginning: whoever begins something takes it, so whoever turns it waits for them. */
export const businessSwitches: Migration = {
  name: '0035-business-switches',
  sql: `INSERT INTO business_switch (name) VALUES ('orders'), ('payouts') ON DUPLICATE KEY UPDATE name = VALUES(name)`,
};
