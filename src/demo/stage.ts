/**
 * What the demonstration looks like: numbered steps, short lines, tables with aligned columns; no line wider than 100.
 *
 * Everything goes to stdout. Bold and colour are for a terminal that has them; elsewhere there is not one escape code.
 */
const indent = '    ';
const bold = ['\x1b[1m', '\x1b[22m'] as const;
const dim = ['\x1b[2m', '\x1b[22m'] as const;
const green = ['\x1b[32m', '\x1b[39m'] as const;
const red = ['\x1b[31m', '\x1b[39m'] as const;

export interface Column {
  readonly head: string;
  /** Numbers stand at the right. */
  readonly right?: boolean;
}

/** 12345 fen as `123.45`; exact at any size. */
export function yuan(fen: bigint): string {
  const digits = (fen < 0n ? -fen : fen).toString().padStart(3, '0');
  return `${fen < 0n ? '-' : ''}${grouped(BigInt(digits.slice(0, -2)))}.${digits.slice(-2)}`;
}

/** `1234567` as `1,234,567`. */
export function grouped(number: number | bigint): string {
  return number.toLocaleString('en-US');
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export class Stage {
  readonly #out: NodeJS.WriteStream;
  readonly #coloured: boolean;
  #steps = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    this.#coloured = out.isTTY === true && out.hasColors();
  }

  #paint([on, off]: readonly [string, string], text: string): string {
    return this.#coloured ? `${on}${text}${off}` : text;
  }

  #print(line: string): void {
    this.#out.write(`${line}\n`);
  }

  title(text: string): void {
    this.#print(this.#paint(bold, text));
  }

  /** A numbered heading. */
  step(text: string): void {
    this.#steps += 1;
    this.#print(`\n${this.#paint(bold, `${String(this.#steps).padStart(2)}  ${text}`)}`);
  }

  heading(text: string): void {
    this.#print(`\n${this.#paint(bold, text)}`);
  }

  line(text: string): void {
    this.#print(text === '' ? '' : indent + text);
  }

  /** A command, as one would type it. */
  command(text: string): void {
    this.line(`${this.#paint(dim, '$')} ${this.#paint(bold, text)}`);
  }

  good(text: string): void {
    this.line(this.#paint(green, text));
  }

  bad(text: string): void {
    this.line(this.#paint(red, text));
  }

  /** What a command printed, set in. */
  quote(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.line(line);
  }

  /** A cell that says `equal` is green, one that says `DIFFERENT` red. */
  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
    const widths = columns.map(({ head }, index) =>
      Math.max(head.length, ...rows.map((row) => (row[index] ?? '').length)),
    );
    const laidOut = (row: readonly string[]) =>
      columns
        .map(({ right }, index) => {
          const cell = row[index] ?? '';
          return right ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0);
        })
        .join('  ')
        .trimEnd();
    this.line(this.#paint(dim, laidOut(columns.map(({ head }) => head))));
    for (const row of rows) {
      const line = laidOut(row);
      const verdict = /(equal|DIFFERENT)$/.exec(line)?.[0];
      const painted = verdict === undefined ? '' : this.#paint(verdict === 'equal' ? green : red, verdict);
      this.line(verdict === undefined ? line : line.slice(0, -verdict.length) + painted);
    }
  }
}
