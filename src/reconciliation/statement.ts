/**
 * The statement of a counterpart for a business day: a file is read as a stream, checked to its last line, and used only
 * then. Whoever reads it keeps what comes aside until the stream has ended without an error: an error means that nothing
 * of the file may be used, its rows add up or the file is refused.
 *
 * Memory: one chunk of the file and its entries, whatever its size.
 */
import { alipay } from './alipay.ts';
import { bytesOf } from './container.ts';
import type { Entry } from './entry.ts';
import type { Format } from './format.ts';
import { initiator } from './initiator.ts';
import { Line, LineCutter } from './lines.ts';
import { wechat } from './wechat.ts';

const formats = { initiator, alipay, wechat } satisfies Record<string, (day: string) => Format>;

/** Whose statements we can read. */
export type Counterpart = keyof typeof formats;

export const isCounterpart = (name: string): name is Counterpart => name in formats;

/**
 * Reads a statement file.
 *
 * @param day the business day that it must be of, `2026-11-20`
 * @throws StatementError when the file is not whole, not of that day, or not what the counterpart writes
 */
export async function* readStatement(
  file: string,
  counterpart: Counterpart,
  day: string,
): AsyncGenerator<readonly Entry[]> {
  const format = formats[counterpart](day);
  const line = new Line(file, format.encoding);
  const cutter = new LineCutter(line);
  for await (const chunk of bytesOf(file)) {
    const entries: Entry[] = [];
    for (const each of cutter.lines(chunk)) {
      const entry = format.read(each);
      if (entry !== null) entries.push(entry);
    }
    yield entries;
  }
  const last = cutter.last();
  const entry = last === null ? null : format.read(last);
  format.finish(line, last === null);
  if (entry !== null) yield [entry];
}
