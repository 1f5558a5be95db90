/** What people see: lines, tables, errors. Results go to stdout, everything else to stderr. */
import { inspect } from 'node:util';
import { isDebugging } from '../platform/config.ts';
import { exitCodes, TidemarkError } from '../platform/errors.ts';
import { explained } from '../platform/explain.ts';

let calledAs = 'tidemark';
let command = /$^/g;

/** From here on, texts for people name this program and its commands as it was called. */
export function speakAs(name: string, commands: readonly string[]): void {
  calledAs = name;
  command = new RegExp(`(?<![\\w/.-])tidemark(?= (?:(?:${commands.join('|')})(?![\\w-])|<command>|--))`, 'g');
}

/** The commands in a text as a person types them here: `tidemark run` becomes `node main.js run`. */
export const asTyped = (text: string): string => (calledAs === 'tidemark' ? text : text.replace(command, calledAs));

export function print(line: string): void {
  process.stdout.write(`${asTyped(line)}\n`);
}

/** A line on stderr that is no error. */
export function remark(line: string): void {
  process.stderr.write(`${forPerson(`tidemark: ${asTyped(line)}`)}\n`);
}

/** On a terminal a sentence is wrapped between words, and what to type next stands on a line that can be copied. */
function forPerson(text: string): string {
  if (!process.stderr.isTTY) return text;
  const [first = '', ...nexts] = text.split(/ (?=Next: |\(run [\da-f-]{36}\)$)/);
  const lines = [''];
  for (const word of first.split(' ')) {
    const last = lines.at(-1) as string;
    const fits = last.length + 1 + word.length <= (process.stderr.columns || 80);
    if (last.trim() === '') lines[lines.length - 1] = last + word;
    else if (fits) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`  ${word}`);
  }
  return [...lines, ...nexts.map((next) => `  ${next}`)].join('\n');
}

/** Fen is text in JSON: a number there is exact to 2^53 only. */
export function printMoneyJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? String(one) : one))}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** A line on stderr: what happened, and what to type next. */
export function complain(error: unknown, prefix = 'tidemark'): void {
  process.stderr.write(`${forPerson(`${prefix}: ${asTyped(sentenceOf(error))}`)}\n`);
  if (!(error instanceof TidemarkError) && isDebugging()) process.stderr.write(`${inspect(error)}\n`);
}

export function sentenceOf(raw: unknown): string {
  const error = explained(raw);
  const message = (error instanceof Error ? error.message : String(error)).replace(/[.?]$/, '');
  if (!(error instanceof TidemarkError))
    return `${message}. This should not happen; TIDEMARK_LOG_LEVEL=debug prints where it did`;
  return `${message}.${error.next === undefined ? '' : ` Next: ${error.next}`}`;
}

export function exitCodeOf(raw: unknown): number {
  const error = explained(raw);
  return error instanceof TidemarkError ? error.exitCode : exitCodes.bug;
}

/** A table for a terminal, without colour. */
export async function printTable(head: readonly string[], rows: readonly (readonly string[])[]): Promise<void> {
  const { default: Table } = await import('cli-table3');
  const plain = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  };
  const table = new Table({
    head: [...head],
    chars: plain,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push([...row]);
  print(
    table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n'),
  );
}

/** Fen as yuan, for people: `-1,234.05`. */
export function yuan(fen: bigint): string {
  const digits = String(fen < 0n ? -fen : fen).padStart(3, '0');
  return `${fen < 0n ? '-' : ''}${grouped(BigInt(digits.slice(0, -2)))}.${digits.slice(-2)}`;
}

/** `1234567` as `1,234,567`. */
export function grouped(number: number | bigint): string {
  return number.toLocaleString('en-US');
}

/** `1 dead letter`, `17 dead letters`. */
export function counted(count: number, one: string, many: string): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}
