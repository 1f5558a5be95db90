/**
 * Everything that runs can leave behind: all tables of the target, and the keys in Redis. Remembered, put back, and
 * told in a form that two runs can be compared by, each in one round trip.
 */
import type { Session } from '../../src/platform/mysql.ts';
import type { World } from './world.ts';

/** What differs from run to run without meaning: numbers that count on, and who wrote a row. */
const meaningless = new Set(['id', 'sequence', 'run_id', 'host', 'pid']);
/** Ids that are the platform's own, not counted by the server. */
const platformTables = new Set(['plus_commission_log', 'user_extension']);
const remembered = 'before_';

export interface StateOptions {
  /** How a row of the journal tells its counts, in SQL. */
  readonly journalCounts: string;
}

export class FinalState {
  readonly #world: World;
  /** The database of the job's effects. */
  readonly #target: Session;
  #keys: readonly string[] = [];

  private constructor(world: World, target: Session) {
    this.#world = world;
    this.#target = target;
  }

  /** Remembers how things are now; `restore` brings them back to it. */
  static async remember(world: World, target: Session, options: StateOptions): Promise<FinalState> {
    const state = new FinalState(world, target);
    const tables = await tablesOf(target);
    const restored: string[] = [];
    for (const { name, columns } of tables) {
      const copied = columns.filter(({ generated }) => !generated).map((column) => column.name);
      await target.write(`CREATE OR REPLACE TABLE ${remembered}${name} AS SELECT ${copied} FROM ${name}`);
      restored.push(`DELETE FROM ${name};`, `INSERT INTO ${name} (${copied}) SELECT * FROM ${remembered}${name};`);
    }
    await target.write(
      `CREATE OR REPLACE PROCEDURE restore() BEGIN SET foreign_key_checks = 0; START TRANSACTION; ${restored.join(' ')} COMMIT; SET foreign_key_checks = 1; END`,
    );
    await target.write(`CREATE OR REPLACE VIEW state_now AS ${selections(tables, options).join(' UNION ALL ')}`);
    state.#keys = await state.#redisKeys();
    return state;
  }

  async restore(): Promise<void> {
    const { redis } = this.#world;
    const keep = this.#keys.length === 0 ? '' : `redis.call('MSET', unpack(ARGV, 2))`;
    const script = `for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end ${keep}`;
    await Promise.all([this.#target.write('CALL restore()'), redis.eval(script, 0, this.#pattern, ...this.#keys)]);
  }

  /** A line for each row and key, in order; runs themselves, and their sums, which lack those that were killed, not among them. */
  async look(): Promise<{ lines: string[]; runs: string[] }> {
    const [rows, keys] = await Promise.all([this.#target.tuples('SELECT * FROM state_now'), this.#redisKeys()]);
    const all = rows.map(([table, text]) => `${table}: ${text}`).sort();
    const lines = all.filter((line) => !/^tidemark_run(_sum)?: /.test(line));
    for (let index = 0; index < keys.length; index += 2) lines.push(`redis: ${keys[index]} = ${keys[index + 1]}`);
    return { lines, runs: all.filter((line) => line.startsWith('tidemark_run: ')) };
  }

  get #pattern(): string {
    return `${this.#world.settings.TIDEMARK_REDIS_PREFIX}*`;
  }

  /** Keys and values in turn, in order of the keys. */
  async #redisKeys(): Promise<string[]> {
    const script = `local found = redis.call('KEYS', ARGV[1]) table.sort(found)
      local all = {} for _, key in ipairs(found) do all[#all + 1] = key all[#all + 1] = redis.call('GET', key) end return all`;
    return (await this.#world.redis.eval(script, 0, this.#pattern)) as string[];
  }
}

interface TargetTable {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly generated: boolean }[];
}

async function tablesOf(target: Session): Promise<TargetTable[]> {
  const rows = await target.tuples(
    `SELECT c.TABLE_NAME, c.COLUMN_NAME, IFNULL(c.GENERATION_EXPRESSION, '') <> ''
       FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)
      WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE' AND LEFT(c.TABLE_NAME, 7) <> '${remembered}'
      ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION`,
  );
  const names = [...new Set(rows.map(([table]) => String(table)))];
  return names.map((name) => ({
    name,
    columns: rows
      .filter(([table]) => table === name)
      .map(([, column, generated]) => ({ name: String(column), generated: Number(generated) === 1 })),
  }));
}

const journalCounts = new Set(['rows_read', 'inserted', 'updated', 'unchanged', 'dead_letters']);

function selections(tables: readonly TargetTable[], options: StateOptions): string[] {
  return tables.map(({ name, columns }) => {
    if (name === 'tidemark_run')
      return `SELECT '${name}', CONCAT_WS(' ', LPAD(sequence, 12, '0'), run_id, job, kind, IFNULL(outcome, 'open')) FROM ${name}`;
    const told = columns
      .map((column) => column.name)
      .filter((column) => platformTables.has(name) || !meaningless.has(column))
      .filter((column) => name !== 'tidemark_window' || !journalCounts.has(column));
    const texts = told.map((column) => `CONCAT('${column}=', IFNULL(${column}, 'NULL'))`);
    if (name === 'tidemark_window') texts.push(options.journalCounts);
    return `SELECT '${name}', CONCAT_WS(' ', ${texts.join(', ')}) FROM ${name}`;
  });
}
