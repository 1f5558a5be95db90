/**
 * Bytes to lines, and lines to fields, at the speed of the disk: a bill has 25 fields a row, and all but a few are only
 * counted. A general CSV parser takes forty times as long (45 s for a million rows of 25 fields; this 1 s), so it is
 * asked only about lines with a quote.
 *
 * Bytes are never decoded as a whole. In GBK and in UTF-8 no byte of a longer character is a comma, a quote or the end
 * of a line, so fields are found in the bytes, and only those that somebody reads become text. Characters are checked
 * all the same: a malformed one refuses the file.
 *
 * A line that begins with a backtick has one before each field: there, a comma without one belongs to the text.
 */
import { isUtf8 } from 'node:buffer';
import { parse } from 'csv-parse/sync';
import iconv from 'iconv-lite';
import { StatementError } from './statement-error.ts';
import { units, unitsIn } from './yuan.ts';

export type Encoding = 'gbk' | 'utf8';

const lineBytesMax = 65_536;
const [tab, newline, carriageReturn, space, quote, comma, backtick] = [9, 10, 13, 32, 34, 44, 96] as const;
const encodingNames: Readonly<Record<Encoding, string>> = { gbk: 'GBK', utf8: 'UTF-8' };
const wordsKeptMax = 256;

/** The line at hand. It is the same object for every line: read what you need before the next. */
export class Line {
  readonly file: string;
  /** Counted from 1. */
  number = 0;
  readonly #encoding: Encoding;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #count = 0;
  #starts = new Int32Array(64);
  /** The fields of a line with quotes. */
  #unquoted: string[] | null = null;
  /** Words that occur again and again, `交易` a million times. */
  readonly #words = new Map<string, string>();

  constructor(file: string, encoding: Encoding) {
    this.file = file;
    this.#encoding = encoding;
  }

  /** Takes the bytes from `start` up to `end`, where the line's end is. @throws StatementError for malformed characters */
  take(bytes: Buffer, start: number, end: number): void {
    this.number++;
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end > start && bytes[end - 1] === carriageReturn ? end - 1 : end;
    this.#unquoted = null;
    if (this.#walk()) this.#unquote();
  }

  /** Finds the fields, and looks at every character. Answers whether a field begins with a quote. */
  #walk(): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    const ticked = bytes[this.#start] === backtick;
    let count = 1;
    let quoted = bytes[this.#start] === quote;
    let wide = false;
    this.#starts[0] = ticked ? this.#start + 1 : this.#start;
    for (let at = this.#start; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte > 127) {
        wide = true;
        if (this.#encoding === 'gbk') at += this.#trailOfGbk(at);
      } else if (byte === comma && (!ticked || bytes[at + 1] === backtick)) {
        if (count === this.#starts.length) throw this.error(`at most ${count} fields`, 'more');
        quoted ||= bytes[at + 1] === quote;
        this.#starts[count++] = ticked ? at + 2 : at + 1;
      }
    }
    this.#count = count;
    if (wide && this.#encoding === 'utf8' && !isUtf8(bytes.subarray(this.#start, end))) throw this.#malformed();
    return quoted;
  }

  /** How many bytes follow the first of a character: 1, but none after the euro sign. */
  #trailOfGbk(at: number): number {
    const lead = this.#bytes[at];
    if (lead === 0x80) return 0;
    const trail = at + 1 < this.#end ? (this.#bytes[at + 1] as number) : 0;
    if (lead === 0xff || trail < 0x40 || trail === 0x7f || trail === 0xff) throw this.#malformed();
    return 1;
  }

  #malformed(): StatementError {
    const name = encodingNames[this.#encoding];
    const isOther = this.#encoding === 'gbk' && isUtf8(this.#bytes.subarray(this.#start, this.#end));
    return this.error(`text in ${name}`, isOther ? 'text in UTF-8' : `bytes that are no ${name}`);
  }

  #unquote(): void {
    try {
      const [fields] = parse(this.whole(), { relax_quotes: true, relax_column_count: true });
      this.#unquoted = fields as string[];
      this.#count = this.#unquoted.length;
    } catch (error) {
      throw this.error('fields whose quotes are closed on the same line', this.whole(), error);
    }
  }

  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  begins(character: string): boolean {
    if (this.#unquoted !== null) return (this.#unquoted[0] as string).startsWith(character);
    return this.#bytes[this.#start] === character.charCodeAt(0);
  }

  get fieldCount(): number {
    return this.#count;
  }

  /** A field without the spaces and tabs around it. */
  field(index: number): string {
    if (this.#unquoted !== null) return (this.#unquoted[index] as string).trim();
    return this.#text(this.#fieldStart(index), this.#fieldEnd(index));
  }

  /** A field as a whole number of 10^-`places`; null when it is none. */
  units(index: number, places: number): bigint | null {
    if (this.#unquoted !== null) return units(this.field(index), places);
    return unitsIn(this.#bytes, this.#fieldStart(index), this.#fieldEnd(index), places);
  }

  #fieldStart(index: number): number {
    let start = this.#starts[index] as number;
    while (start < this.#end && isBlank(this.#bytes[start] as number)) start++;
    return start;
  }

  #fieldEnd(index: number): number {
    const start = this.#starts[index] as number;
    const next = index + 1 < this.#count ? (this.#starts[index + 1] as number) : -1;
    let end = next < 0 ? this.#end : next - (this.#bytes[next - 1] === backtick ? 2 : 1);
    while (end > start && isBlank(this.#bytes[end - 1] as number)) end--;
    return end;
  }

  fields(): string[] {
    return Array.from({ length: this.#count }, (_, index) => this.field(index));
  }

  whole(): string {
    return this.#text(this.#start, this.#end);
  }

  #text(start: number, end: number): string {
    if (start >= end) return '';
    const raw = this.#bytes.toString('latin1', start, end);
    for (let at = 0; at < raw.length; at++) if (raw.charCodeAt(at) > 127) return this.#decoded(raw, start, end);
    return raw;
  }

  #decoded(raw: string, start: number, end: number): string {
    const known = this.#words.get(raw);
    if (known !== undefined) return known;
    const text = iconv.decode(this.#bytes.subarray(start, end), this.#encoding);
    if (this.#words.size < wordsKeptMax) this.#words.set(raw, text);
    return text;
  }

  error(expected: string, found: string, cause?: unknown): StatementError {
    return new StatementError(this.file, this.number, expected, found, cause);
  }
}

const isBlank = (byte: number) => byte === space || byte === tab;

/** Cuts a stream of bytes into lines. Holds no more than a chunk and the start of a line, in a buffer of its own. */
export class LineCutter {
  readonly #line: Line;
  #bytes: Buffer = Buffer.alloc(0);
  /** Bytes of a line whose end has not come yet. */
  #pending = 0;
  #first = true;

  constructor(line: Line) {
    this.#line = line;
  }

  /** The lines that end in this chunk; empty ones are passed over. @throws StatementError */
  *lines(chunk: Buffer): Generator<Line> {
    const length = this.#append(chunk);
    let start = 0;
    for (;;) {
      const found = this.#bytes.indexOf(newline, start);
      if (found < 0 || found >= length) break;
      const from = this.#first ? this.#afterMark(found) : start;
      this.#first = false;
      this.#line.take(this.#bytes, from, found);
      if (!this.#line.isEmpty) yield this.#line;
      start = found + 1;
    }
    this.#bytes.copyWithin(0, start, length);
    this.#pending = length - start;
    if (this.#pending > lineBytesMax)
      throw new StatementError(this.#line.file, this.#line.number + 1, `at most ${lineBytesMax} bytes a line`, 'more');
  }

  /** What came after the last end of a line. Answers null when there is nothing. */
  last(): Line | null {
    if (this.#pending === 0) return null;
    this.#line.take(this.#bytes, this.#first ? this.#afterMark(this.#pending) : 0, this.#pending);
    return this.#line;
  }

  #append(chunk: Buffer): number {
    const length = this.#pending + chunk.length;
    if (length > this.#bytes.length) {
      const larger = Buffer.alloc(length + lineBytesMax);
      this.#bytes.copy(larger, 0, 0, this.#pending);
      this.#bytes = larger;
    }
    chunk.copy(this.#bytes, this.#pending);
    return length;
  }

  /** UTF-8 files may begin with a byte order mark. */
  #afterMark(end: number): number {
    return end >= 3 && this.#bytes.toString('hex', 0, 3) === 'efbbbf' ? 3 : 0;
  }
}
