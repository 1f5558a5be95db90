/**
 * The statements of a dry run, each distinct one once: what it asked, how often, and what came back.
 *
 * Statements that differ in their values alone are one; of their executions the slowest is kept, to be explained.
 */
import { type Statement, statements } from '../platform/mysql.ts';

export interface Query {
  /** The database, as its session is called. */
  readonly label: string;
  /** The text with a ? for each value. */
  readonly shape: string;
  /** The tables in it, by the name that the text has for them. */
  readonly tables: ReadonlyMap<string, string>;
  times: number;
  /** Rows that came back from all executions; null for a write. */
  rows: number | null;
  /** The slowest execution. */
  example: Statement;
}

/** Does `work`, and tells what it asked of databases: its queries, and how many statements only served the sessions. */
export async function recorded(work: () => Promise<unknown>): Promise<{ queries: Query[]; others: number }> {
  const queries = new Map<string, Query>();
  let others = 0;
  const note = (message: unknown) => {
    const statement = message as Statement;
    const shape = shapeOf(statement.sql);
    const tables = tablesOf(shape);
    if (!/^[\s(]*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH)\b/i.test(shape) || tables.size === 0) {
      others += 1;
      return;
    }
    const key = `${statement.label} ${shape}`;
    const known = queries.get(key);
    if (known === undefined)
      queries.set(key, { label: statement.label, shape, tables, times: 1, rows: statement.rows, example: statement });
    else {
      known.times += 1;
      if (statement.rows !== null) known.rows = (known.rows ?? 0) + statement.rows;
      if ((statement.ms ?? 0) > (known.example.ms ?? 0)) known.example = statement;
    }
  };
  statements.subscribe(note);
  try {
    await work();
  } finally {
    statements.unsubscribe(note);
  }
  return { queries: [...queries.values()], others };
}

/** A statement without its values, in one line. */
export function shapeOf(sql: string): string {
  return sql
    .replace(/x?'(?:[^'\\]|\\.|'')*'/gs, '?')
    .replace(/(?<![\w`.])-?\d+(\.\d+)?\b/g, '?')
    .replace(/\s+/g, ' ')
    .replace(/\(\s*\?(\s*,\s*\?)+\s*\)/g, '(?, …)')
    .replace(/(\([^()]*\?[^()]*\))(\s*,\s*\1)+/g, '$1, …')
    .replace(/(UNION ALL) (SELECT \?.*?)( UNION ALL \2)+/g, '$1 $2 …')
    .trim();
}

const words =
  'WHERE|SET|ON|JOIN|LEFT|INNER|CROSS|ORDER|GROUP|LIMIT|USING|VALUES|SELECT|UNION|FORCE|USE|FOR|HAVING|AS|STRAIGHT_JOIN';
const table = String.raw`(?:\`?\w+\`?\.)?\`?(\w+)\`?`;
const namedTables = new RegExp(
  String.raw`\b(?:FROM|JOIN|INTO|UPDATE)\s+${table}(?:\s+(?:AS\s+)?(?!(?:${words})\b)\`?(\w+)\`?)?`,
  'gi',
);

/** The server's own are none. */
function tablesOf(shape: string): Map<string, string> {
  const tables = new Map<string, string>();
  for (const [text, name, alias] of shape.matchAll(namedTables)) {
    if (name === undefined || /information_schema|performance_schema/i.test(text)) continue;
    tables.set(alias ?? name, name);
  }
  return tables;
}

/** Of tidemark's own books alone. */
export const isBookkeeping = ({ tables }: Query): boolean =>
  [...tables.values()].every((name) => name.startsWith('tidemark_'));
