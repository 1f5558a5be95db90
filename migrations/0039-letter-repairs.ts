import type { Migration } from './migration.ts';

/** How often a dead letter was tried again in vain: after two repairs somebody is alarmed. Open ones are found by a key. */
export const letterRepairs: Migration = {
  name: '0039-letter-repairs',
  sql: `ALTER TABLE tidemark_dead_letter
    ADD COLUMN repairs INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'repairs that left it open' AFTER attempts,
    ADD COLUMN repair_run CHAR(36) NULL COMMENT 'the last of them' AFTER repairs,
    ADD KEY by_state (state, repairs)`,
};
