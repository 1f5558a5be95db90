import type { Migration } from './migration.ts';

/** What the other side says that it did: rows that an initiator writes, instead of a file. */
export const statementEntry: Migration = {
  name: '0018-statement-entry',
  sql: `CREATE TABLE IF NOT EXISTS statement_entry (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    counterpart VARCHAR(32) NOT NULL,
    day DATE NOT NULL COMMENT 'business day',
    reference VARCHAR(64) NOT NULL COMMENT 'an initiator gives the bill id, a provider the order id',
    amount BIGINT NOT NULL COMMENT 'fen, signed like the bill',
    fee BIGINT NULL COMMENT 'fen',
    status VARCHAR(32) NOT NULL,
    occurred_at DATETIME NOT NULL COMMENT 'business zone',
    PRIMARY KEY (id),
    KEY by_day (counterpart, day, id)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
