import type { Migration } from './migration.ts';

/** What the source held in a window when it was closed, or last swept: rows that come late show by the difference. */
export const windowDigest: Migration = {
  name: '0009-window-digest',
  sql: `ALTER TABLE tidemark_window
    ADD COLUMN source_rows BIGINT UNSIGNED NULL,
    ADD COLUMN source_sum DECIMAL(40, 0) NULL COMMENT 'of the column that the job sums',
    ADD COLUMN source_checksum BIGINT UNSIGNED NULL COMMENT '64 bits of MD5 by row, XOR'`,
};
