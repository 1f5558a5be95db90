/**
 * `npm run bench [-- name…]`: benchmarks, as ratios to a limit or a peer that was measured in the same run.
 *
 * Ratios are what can be compared between machines; the figures they come from stand beside them.
 */
import { parseArgs } from 'node:util';
import { print, printJson, printTable } from '../src/cli/output.ts';
import { exitCodes } from '../src/platform/errors.ts';
import type { Benchmark, Report } from './benchmark.ts';
import { ledger } from './ledger.ts';
import { reconcile } from './reconcile.ts';
import { StoppedError } from './site.ts';
import { startup } from './startup.ts';
import { sync } from './sync.ts';

const benchmarks: Readonly<Record<string, Benchmark>> = { sync, startup, ledger, reconcile };
const names = Object.keys(benchmarks);

const usage = `npm run bench [-- [name...] [--rows n] [--rounds n] [--pairs n] [--json]]
${names.map((name) => `  ${name.padEnd(8)} ${benchmarks[name]?.summary}`).join('\n')}`;

class UsageMistake extends Error {}

interface Wanted {
  readonly names: readonly string[];
  readonly rows: number;
  readonly rounds: number;
  readonly pairs: number;
  readonly json: boolean;
  readonly help: boolean;
}

function readArguments(argv: readonly string[]): Wanted {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      rows: { type: 'string', default: '200000' },
      rounds: { type: 'string', default: '3' },
      pairs: { type: 'string', default: '15' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new UsageMistake(`there is no benchmark "${unknown}": there are ${names.join(', ')}`);
  return {
    names: positionals.length === 0 ? names : [...new Set(positionals)],
    // Fewer rows would not fill the sample of the way that goes row by row.
    rows: wholeNumber('--rows', values.rows, 10_000),
    rounds: wholeNumber('--rounds', values.rounds, 1),
    pairs: wholeNumber('--pairs', values.pairs, 1),
    json: values.json,
    help: values.help,
  };
}

function wholeNumber(option: string, text: string, least: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least) return number;
  throw new UsageMistake(`${option} "${text}": expected a whole number of ${least} or more`);
}

async function show(name: string, { method, head, table, closing }: Report): Promise<void> {
  print(`\n${name}`);
  for (const line of method) print(`  ${line}`);
  await printTable(head, table);
  for (const line of closing) print(line);
}

async function main(argv: readonly string[]): Promise<number> {
  const wanted = readArguments(argv);
  if (wanted.help) {
    print(usage);
    return exitCodes.done;
  }
  const figures: Record<string, unknown> = {};
  for (const name of wanted.names) {
    const note = (line: string) => process.stderr.write(`bench ${name}: ${line}\n`);
    const report = await (benchmarks[name] as Benchmark).run({ ...wanted, note });
    figures[name] = report.figures;
    if (!wanted.json) await show(name, report);
  }
  if (wanted.json) printJson(figures);
  return exitCodes.done;
}

function codeOf(error: unknown): number {
  if (error instanceof StoppedError) return error.exitCode;
  const usageCodes = /^ERR_PARSE_ARGS_/;
  const mistaken = error instanceof UsageMistake || usageCodes.test(String((error as { code?: unknown })?.code));
  process.stderr.write(`bench: ${(error as Error).message}\n${mistaken ? `${usage}\n` : ''}`);
  return mistaken ? exitCodes.usage : exitCodes.failed;
}

// What an interrupted benchmark has left open must not hold the process.
process.exit(await main(process.argv.slice(2)).catch(codeOf));
