import { Config } from '../platform/config.ts';
import { printJson, printTable } from './output.ts';

export async function config(options: { json?: true }): Promise<number> {
  const { shown } = Config.read();
  if (options.json) printJson(shown);
  else
    await printTable(
      ['SETTING', 'VALUE', 'FROM'],
      shown.map(({ name, value, from, file }) => [name, value ?? '(unset)', file ?? from]),
    );
  return 0;
}
