/**
 * The tables that a membership platform has, for the demonstration, the tests and the benchmarks: user extensions, and
 * commission in ten shards by the last digit of the user's id.
 */
import type { Session } from '../platform/mysql.ts';

export const shards = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const;

const userExtension = `CREATE TABLE IF NOT EXISTS user_extension (
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  user_id BIGINT UNSIGNED NOT NULL,
  user_type TINYINT NOT NULL COMMENT '0 ordinary, 1 plus, 2 manager, 3 partner',
  inviter_id BIGINT UNSIGNED NULL,
  nickname VARCHAR(64) NOT NULL,
  status TINYINT NOT NULL,
  create_time DATETIME NULL,
  update_time DATETIME NULL,
  UNIQUE KEY user_id (user_id),
  KEY update_time (update_time, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`;

const commissionLog = (shard: string) => `CREATE TABLE IF NOT EXISTS plus_commission_log_${shard} (
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY COMMENT 'unique over all shards',
  user_id BIGINT UNSIGNED NOT NULL,
  order_sn VARCHAR(32) NOT NULL,
  amount BIGINT NOT NULL COMMENT 'fen; negative: reversal',
  type TINYINT NOT NULL,
  status TINYINT NOT NULL COMMENT '0 pending, 1 effective, 2 cancelled',
  remark VARCHAR(255) NULL,
  create_time DATETIME NULL,
  update_time DATETIME NULL,
  KEY update_time (update_time, id),
  KEY user_time (user_id, create_time)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`;

/** Makes the source's tables where they are missing. */
export async function createPlatformTables(source: Session): Promise<void> {
  await source.write(userExtension);
  for (const shard of shards) await source.write(commissionLog(shard));
}
