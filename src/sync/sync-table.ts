/**
 * What a job needs for copying a table: after each window, what the source holds the target holds; and `verify --data`
 * can show it.
 *
 * @example
 * defineJob({ name: 'sync-orders', …, source: { table: () => 'orders', time: 'updated_at', key: 'id' },
 *   ...syncTable({ table: 'orders', time: 'updated_at', key: 'id' }) })
 */
import type { Log } from '../platform/log.ts';
import type { Reader } from '../platform/mysql.ts';
import type { Table } from '../platform/table.ts';
import { type Comparison, compareTable } from './compare.ts';
import { copyRows } from './copy-rows.ts';
import { type Mending, mendRows } from './mend.ts';
import { type CopyPlan, planCopy } from './plan.ts';
import type { CopyRun, CopySource, CopyTarget, Image } from './target-rows.ts';

export interface SyncOptions {
  /** The target table. */
  readonly table: string;
  readonly time: string;
  readonly key: string;
  /** Expressions over a row's columns whose values `written` gets, before and after. */
  readonly observe?: readonly string[];
  /** Called, in the same transaction, with what was written. */
  readonly written?: (target: CopyTarget, images: readonly Image[]) => Promise<void>;
}

interface Preparation {
  readonly table: Table;
  readonly target: Reader;
  readonly log: Log;
  readonly missingColumns: 'warn' | 'error';
}

interface Application {
  readonly plan: CopyPlan;
  readonly source: CopySource;
  readonly target: CopyTarget;
  readonly mode: CopyRun['mode'];
  deadLetter: CopyRun['refuse'];
  progress(rows: number): void;
}

export function syncTable({ table, time, key, observe = [], written }: SyncOptions) {
  return {
    targetTable: table,
    prepare: (context: Preparation) =>
      planCopy(
        context.table,
        context.target,
        { table, time, key, missingColumns: context.missingColumns },
        context.log,
      ),
    apply: ({ plan, source, target, mode, deadLetter, progress }: Application) =>
      copyRows({
        plan,
        source,
        target,
        mode,
        observe,
        progress,
        refuse: deadLetter,
        written: async (images) => written?.(target, images),
      }),
    compare: (comparison: Comparison) => compareTable(comparison),
    mend: (mending: Mending) => mendRows(mending, observe, async (target, images) => written?.(target, images)),
  };
}
