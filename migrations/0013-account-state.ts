import type { Migration } from './migration.ts';

/** An account is in a state that a bill of its own has made, or has none yet. */
export const accountState: Migration = {
  name: '0013-account-state',
  sql: `ALTER TABLE account ADD CONSTRAINT account_is_what_a_bill_made
    FOREIGN KEY (account_id, sequence, balance, held) REFERENCES bill (account_id, sequence, balance_after, held_after)`,
};
