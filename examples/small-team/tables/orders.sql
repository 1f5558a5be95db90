-- The shop's table, as it is in the source. tidemark needs of it: a time that the server stamps at each write, a unique
-- key, and an index that begins with the time. The copy in the target is made by `tidemark migrate`.
CREATE TABLE orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer VARCHAR(64) NOT NULL,
  amount BIGINT NOT NULL COMMENT 'fen',
  state ENUM('open', 'paid', 'cancelled') NOT NULL DEFAULT 'open',
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  KEY by_update (updated_at, id)
);
