import type { Migration } from './migration.ts';

/** What was done to an account without a bill: who, when and why. Rows are never changed. */
export const accountEvent: Migration = {
  name: '0017-account-event',
  sql: `CREATE TABLE IF NOT EXISTS account_event (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    account_id BIGINT UNSIGNED NOT NULL,
    what ENUM('opened', 'frozen', 'unfrozen', 'resolved') NOT NULL,
    reason VARCHAR(255) NOT NULL,
    operator VARCHAR(128) NULL,
    client_address VARCHAR(64) NULL,
    at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    KEY by_account (account_id, id),
    CONSTRAINT account_event_of_account FOREIGN KEY (account_id) REFERENCES account (account_id)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
