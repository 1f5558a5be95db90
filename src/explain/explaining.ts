/**
 * Asks the servers for the plan of each query, and judges it.
 *
 * A SELECT is run once more to be measured, where the server can (MariaDB's ANALYZE): the dry run has just run it anyway,
 * and it is run without locks. Whatever writes or locks is explained alone.
 */

import type { Databases } from '../platform/databases.ts';
import type { Session } from '../platform/mysql.ts';
import type { DatabaseName } from '../platform/settings.ts';
import { describeTable, type Table } from '../platform/table.ts';
import { type Index, type Judgement, judge } from './judge.ts';
import { type Plan, planOf } from './plan.ts';
import type { Query } from './recording.ts';

export interface Explained extends Judgement {
  readonly query: Query;
  /** The name of its database at the server. */
  readonly database: string;
  /** Null where the server would not explain it; `says` has its reason. */
  readonly plan: Plan | null;
}

export async function explainAll(queries: readonly Query[], databases: Databases): Promise<Explained[]> {
  const sessions = new Map<string, Session>();
  try {
    const explained: Explained[] = [];
    for (const query of queries) {
      const session = sessions.get(query.label) ?? (await databases.open(query.label as DatabaseName));
      sessions.set(query.label, session);
      explained.push(await explain(query, session));
    }
    return explained;
  } finally {
    await Promise.all([...sessions.values()].map((session) => session.close()));
  }
}

async function explain(query: Query, session: Session): Promise<Explained> {
  const about = { query, database: session.database };
  try {
    const plan = await planAt(query, session);
    const tables = new Map<string, Table | null>();
    for (const [alias, name] of query.tables) tables.set(alias, await describeTable(session, name));
    return { ...about, plan, ...judge(plan, (name) => tables.get(name) ?? null) };
  } catch (error) {
    if (session.lost) throw error;
    const says = [`the server does not explain it: ${(error as Error).message}`];
    return { ...about, plan: null, isBad: false, says, indexes: [] as Index[] };
  }
}

/** MySQL has `WITH … DELETE`; to measure it would be to do it. */
const writes = /\b(INSERT|UPDATE|DELETE|REPLACE\s+INTO)\b/i;
const locks = /\bFOR UPDATE\b|\bLOCK IN SHARE MODE\b|\bFOR SHARE\b/i;

async function planAt({ example, shape }: Query, session: Session): Promise<Plan> {
  const reads = /^[\s(]*(SELECT|WITH)\b/i.test(shape) && !writes.test(shape) && !locks.test(shape);
  const verb = reads && session.facts.isMariadb ? 'ANALYZE' : 'EXPLAIN';
  const [row] = await session.tuples(`${verb} FORMAT=JSON ${example.sql}`, example.parameters);
  return planOf(String(row?.[0]));
}
