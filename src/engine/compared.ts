/** What `verify --data` finds when it compares what a job has written with its source. */

/** What `verify --data` finds of one row. */
export interface Difference {
  /** `undecided`: two shards hold equally young versions of the row, and the target holds neither. */
  readonly kind: 'missing in target' | 'different' | 'only in target' | 'undecided';
  /** The shard that holds the row; null when none does, or two do. */
  readonly shard: string | null;
  readonly key: string;
  /** The columns that differ, where both sides have the row. */
  readonly columns: readonly string[];
}

export interface Compared {
  /** Rows of the source, of all shards. */
  readonly rows: number;
  readonly differences: readonly Difference[];
  /** Rows that differ, but changed while they were looked at, or wait for their window. */
  readonly waiting: number;
  /** Rows that differ and have no time (NULL or zero): they are in no window. */
  readonly timeless: number;
  /** Rows that differ and wait as dead letters. */
  readonly deadLetters: number;
  /** Keys of which two shards hold equally young versions, and the target one of them. */
  readonly inTwoShards: readonly string[];
  /** About columns that are compared in part, or not at all. */
  readonly notes: readonly string[];
}
