import type { Migration } from './migration.ts';

/** Matters that stand: what people were told of, and when. A row is gone with its matter. */
export const alarm: Migration = {
  name: '0041-alarm',
  sql: `CREATE TABLE IF NOT EXISTS tidemark_alarm (
    alarm_key VARCHAR(190) NOT NULL,
    cause VARCHAR(190) NULL COMMENT 'the matter that this one follows from, and is told with',
    gravity ENUM('critical', 'warning') NOT NULL,
    job VARCHAR(64) NULL COMMENT 'NULL: it concerns a server',
    shard VARCHAR(64) NULL,
    what VARCHAR(1000) NOT NULL,
    next_step VARCHAR(1000) NOT NULL COMMENT 'the command to type',
    since DATETIME NOT NULL,
    ripe_at DATETIME NULL COMMENT 'it is told when it still stands then; NULL: now',
    told_at DATETIME NULL COMMENT 'NULL: nobody knows yet',
    claimed_until DATETIME NULL COMMENT 'until then somebody is telling it',
    silenced_until DATETIME NULL,
    silence_reason VARCHAR(255) NULL,
    silenced_by VARCHAR(128) NULL,
    version INT UNSIGNED NOT NULL COMMENT 'every change counts on, and only from the version it has seen',
    PRIMARY KEY (alarm_key),
    CONSTRAINT tidemark_alarm_silence CHECK (silenced_until IS NULL OR (silence_reason <> '' AND silenced_by <> ''))
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
