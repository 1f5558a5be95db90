import { relative } from 'node:path';
import { Config, type SettingShown } from '../platform/config.ts';
import { print, printJson, printTable } from './output.ts';

const originWidth = 'default'.length;

export async function config(options: { json?: true }): Promise<number> {
  const { shown } = Config.read();
  if (options.json) printJson(shown);
  else if (process.stdout.isTTY && process.stdout.columns < 120) printNarrow(shown, process.stdout.columns);
  else
    await printTable(
      ['SETTING', 'VALUE', 'FROM'],
      shown.map(({ name, value, from, file }) => [name, value ?? '(unset)', file ?? from]),
    );
  return 0;
}

/** Where a setting comes from stands below it when it has no room beside it. */
function printNarrow(shown: readonly SettingShown[], columns: number): void {
  const nameWidth = Math.max(...shown.map(({ name }) => name.length)) + 2;
  const valueWidth = Math.max(0, columns - nameWidth - originWidth - 2);
  const row = (name: string, value: string, from: string) => {
    const line = name.padEnd(nameWidth) + value.padEnd(valueWidth);
    const isRoom = line.length + 2 + from.length <= columns;
    print(isRoom ? `${line}  ${from}` : `${line.trimEnd()}\n${' '.repeat(nameWidth)}${from}`);
  };
  row('SETTING', 'VALUE', 'FROM');
  for (const { name, value, from, file } of shown) {
    const place = file === null ? from : relative(process.cwd(), file);
    row(name, value ?? '(unset)', place);
  }
}
