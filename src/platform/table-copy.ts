/** Making a table in one database with the columns and keys of a table in another. */
import { SetupError } from './errors.ts';
import { identifier, type Reader } from './mysql.ts';
import { errorNumber } from './mysql-errors.ts';

export async function tableExists(reader: Reader, name: string): Promise<boolean> {
  return (
    (
      await reader.tuples(
        'SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?',
        [name],
      )
    ).length > 0
  );
}

/**
 * The CREATE TABLE of a source table under another name: its columns and keys, without its counter, foreign keys,
 * partitions and folders, which belong to its own database.
 */
export async function copyStatement(source: Reader, name: string, as: string): Promise<string> {
  const created = await showCreate(source, name);
  const lines = created.split('\n');
  const body = lines.slice(
    1,
    lines.findIndex((line) => line.startsWith(')')),
  );
  const kept = body.filter((line) => !/^\s*CONSTRAINT .* FOREIGN KEY/.test(line)).map((line) => line.replace(/,$/, ''));
  const options = (lines.find((line) => line.startsWith(')')) ?? ')')
    .replace(/ AUTO_INCREMENT=\d+/, '')
    .replace(/ (DATA|INDEX) DIRECTORY='[^']*'/g, '');
  return `CREATE TABLE IF NOT EXISTS ${identifier(as)} (\n${kept.join(',\n')}\n${options}`;
}

async function showCreate(source: Reader, name: string): Promise<string> {
  try {
    const [row] = await source.tuples(`SHOW CREATE TABLE ${identifier(name)}`);
    return String(row?.[1]);
  } catch (error) {
    if (errorNumber(error) !== 1146) throw error;
    throw new SetupError(
      `the source database has no table ${name}, so its copy cannot be made`,
      'check SOURCE_DATABASE_URL: tidemark config',
      error,
    );
  }
}
