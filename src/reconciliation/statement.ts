/**
 * The statement of a counterpart for a business day: a file is read as a stream, checked to its last line, and used only
 * then. Whoever reads it keeps what comes aside until the stream has ended without an error: an error means that nothing
 * of the file may be used, its rows add up or the file is refused.
 *
 * Memory: one chunk of the file and its entries, whatever its size.
 */
import { alipay } from './alipay.ts';
import { bytesOf } from './container.ts';
import type { Counterpart, Entry } from './entry.ts';
import type { Format } from './format.ts';
import { initiator } from './initiator.ts';
import { Line, LineCutter } from './lines.ts';
import { wechat } from './wechat.ts';

const formats: Readonly<Record<Counterpart, (day: string) => Format>> = { initiator, alipay, wechat };

/**
 * Reads a statement file, piece by piece. The entries of a piece are made as they are asked for, so all of them must be
 * taken before the next piece is.
 *
 * @param day the business day that it must be of, `2026-11-20`
 * @throws StatementError when the file is not whole, not of that day, or not what the counterpart writes
 */
export async function* readStatement(
  file: string,
  counterpart: Counterpart,
  day: string,
): AsyncGenerator<Iterable<Entry>> {
  const format = formats[counterpart](day);
  const line = new Line(file, format.encoding);
  const cutter = new LineCutter(line);
  for await (const chunk of bytesOf(file)) yield entriesIn(format, cutter.lines(chunk));
  const last = cutter.last();
  yield entriesIn(format, last === null ? [] : [last]);
  format.finish(line, last === null);
}

function* entriesIn(format: Format, lines: Iterable<Line>): Generator<Entry> {
  for (const line of lines) {
    const entry = format.read(line);
    if (entry !== null) yield entry;
  }
}
