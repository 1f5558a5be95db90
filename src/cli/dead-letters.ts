/** `tidemark dead-letters list|show`: rows that a target refused; what they hold, and why. */
import { titleOf } from '../engine/checkpoint.ts';
import { systemClock } from '../engine/clock.ts';
import type { DeadLetter } from '../engine/dead-letters.ts';
import type { Zone } from '../engine/zone.ts';
import { exitCodes } from '../platform/errors.ts';
import { type App, openSurroundings } from './app.ts';
import { type Choice, type ChoiceOptions, choiceOf, chosenLetters } from './letter-choice.ts';
import { counted, print, printJson, printTable } from './output.ts';
import { spanText } from './span.ts';

interface Options extends ChoiceOptions {
  readonly reason?: string;
  readonly all?: true;
  readonly limit: number;
  readonly json?: true;
}

export async function list(app: App, words: readonly string[], options: Options): Promise<number> {
  const { letters, zone } = await wantedLetters(app, words, options);
  if (options.json) printJson(letters.map((letter) => asJson(letter, zone)));
  else if (letters.length === 0) print('no dead letters');
  else {
    await printLetters(letters, options.all === true);
    if (letters.length >= options.limit) print(`only the first ${options.limit} are shown; --limit shows more`);
    const open = letters.find(({ state }) => state === 'open');
    if (open !== undefined)
      print(
        `\nNext: tidemark dead-letters show ${open.id}; when the cause is mended, tidemark dead-letters retry ${open.job}`,
      );
  }
  return exitCodes.done;
}

export async function show(app: App, words: readonly string[], options: Options): Promise<number> {
  const { letters, zone } = await wantedLetters(app, words, options);
  if (options.json) printJson(letters.map((letter) => asJson(letter, zone)));
  else if (letters.length === 0) print('no dead letters');
  else {
    for (const letter of letters) printLetter(letter, zone);
    if (letters.length >= options.limit) print(`only the first ${options.limit} are shown; --limit shows more`);
  }
  return exitCodes.done;
}

/** Open ones, unless all are asked for, or some by their ids. */
async function wantedLetters(app: App, words: readonly string[], options: Options) {
  const choice = choiceOf(app, words, options, options.reason);
  const isOfAnyState = options.all === true || choice.filter.ids !== undefined;
  const wanted: Choice = isOfAnyState ? choice : { ...choice, filter: { ...choice.filter, state: 'open' } };
  const surroundings = openSurroundings();
  const letters = await chosenLetters(surroundings, wanted, options.limit);
  return { letters: letters.slice(0, options.limit), zone: surroundings.zone };
}

/** What a terminal has at least, and what a file gets. */
const widths = { reasonMin: 20, reasonInFile: 200 };

async function printLetters(letters: readonly DeadLetter[], withState: boolean): Promise<void> {
  const now = systemClock.now();
  const head = ['ID', 'JOB', 'KEY', ...(withState ? ['STATE'] : []), 'AGE', 'REPAIRS'];
  const rows = letters.map((letter) => [
    String(letter.id),
    titleOf(letter),
    letter.key,
    ...(withState ? [letter.state] : []),
    letter.firstAt === null ? '-' : spanText(now - letter.firstAt).replace(/(\D) \d.*/, '$1'),
    String(letter.repairs),
  ]);
  const others = head.map((_, column) => Math.max(...[head, ...rows].map((row) => (row[column] as string).length)) + 2);
  const left = (process.stdout.columns ?? 0) - others.reduce((sum, width) => sum + width, 0);
  const reasonWidth = process.stdout.isTTY ? Math.max(widths.reasonMin, left) : widths.reasonInFile;
  await printTable(
    [...head, 'REASON'],
    rows.map((row, index) => [...row, shortened((letters[index] as DeadLetter).reason, reasonWidth)]),
  );
}

/** One line of a text, cut to a width. */
export function shortened(text: string, width: number): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}

function printLetter(letter: DeadLetter, zone: Zone): void {
  const { id, state, attempts, repairs, lastAt } = letter;
  const last = lastAt === null ? '' : `, last ${zone.iso(lastAt)}`;
  const inVain = repairs === 0 ? '' : `, ${repairs} of them repairs in vain`;
  print(`dead letter ${id} of ${titleOf(letter)}: ${state}, ${counted(attempts, 'try', 'tries')}${inVain}${last}`);
  print(`  reason: ${letter.reason}`);
  if (letter.resolution !== null) print(`  ${letter.state}: ${letter.resolution}`);
  for (const [column, value] of Object.entries(letter.content))
    print(`  ${column} = ${value === null ? 'NULL' : JSON.stringify(value)}`);
  if (state !== 'open') return;
  print(`  Next: mend the cause, then tidemark dead-letters retry ${id}`);
  print(`        or, if the row is not wanted: tidemark dead-letters discard ${id} --reason "…"`);
}

function asJson({ shard, firstAt, lastAt, ...letter }: DeadLetter, zone: Zone) {
  return {
    ...letter,
    shard: shard || null,
    firstAt: firstAt === null ? null : zone.iso(firstAt),
    lastAt: lastAt === null ? null : zone.iso(lastAt),
  };
}
