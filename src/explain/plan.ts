/** A server's plan of a statement, read from EXPLAIN or ANALYZE in JSON: how each table is read, and what is sorted. */

/** One table of a plan. */
export interface Access {
  /** As the statement calls it. */
  readonly name: string;
  /** `ALL` every row, `index` every entry of an index, `range`, `ref`, `eq_ref`, `const`. */
  readonly type: string;
  readonly key: string | null;
  /** Rows that were read; without an ANALYZE as many as the server expects. */
  readonly read: number;
  /** Of them, those that the condition let through; null where nothing was measured. */
  readonly kept: number | null;
  /** What its rows must be, without quotes of names. */
  readonly condition: string;
}

export interface Sort {
  /** `t.update_time, t.id`, without quotes of names. */
  readonly by: string;
  readonly rows: number;
}

export interface Plan {
  readonly accesses: readonly Access[];
  readonly sorts: readonly Sort[];
  /** How many temporary tables it makes. */
  readonly temporary: number;
  /** Whether the figures were measured, and not expected. */
  readonly measured: boolean;
}

type Json = { readonly [name: string]: unknown };

export function planOf(text: string): Plan {
  const accesses: Access[] = [];
  const sorts: Sort[] = [];
  let temporary = 0;
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) for (const one of node) walk(one);
    if (typeof node !== 'object' || node === null || Array.isArray(node)) return;
    for (const [name, value] of Object.entries(node as Json)) {
      const from = accesses.length;
      walk(value);
      if (name === 'table') accesses.push(...accessOf(value as Json));
      if (name === 'temporary_table' || (name === 'using_temporary_table' && value === true)) temporary += 1;
      if (name === 'filesort') sorts.push(sortOf(value as Json, accesses.slice(from)));
      if (name === 'using_filesort' && value === true) sorts.push({ by: '', rows: 0 });
    }
  };
  walk(JSON.parse(text));
  return { accesses, sorts, temporary, measured: /"r_loops"/.test(text) };
}

const plain = (text: unknown): string => String(text ?? '').replaceAll('`', '');

/** None of a table that is not read: of an INSERT, or of an answer that an index alone can give. */
function accessOf(table: Json): Access[] {
  const { table_name: name, access_type: type } = table;
  if (typeof name !== 'string' || typeof type !== 'string' || name.startsWith('<')) return [];
  const expected = Number(table.rows ?? table.rows_examined_per_scan ?? 0);
  const loops = table.r_loops === undefined ? null : Number(table.r_loops);
  const read = loops === null ? expected : Math.round(loops * Number(table.r_rows ?? 0));
  const kept = loops === null ? null : Math.round((read * Number(table.r_filtered ?? 100)) / 100);
  const condition = plain([table.attached_condition, table.index_condition].filter(Boolean).join(' and '));
  return [{ name, type, key: typeof table.key === 'string' ? table.key : null, read, kept, condition }];
}

function sortOf(sort: Json, below: readonly Access[]): Sort {
  const last = below.at(-1);
  return { by: plain(sort.sort_key), rows: last === undefined ? 0 : (last.kept ?? last.read) };
}
