/** The hash of a bill of WeChat Pay: it is of the text, where the bill comes packed. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** The SHA-1 of what a GZIP holds, in hexadecimal; null when it is no whole GZIP. The text is never in memory as a whole. */
export async function hashOf(packed: Buffer): Promise<string | null> {
  const hash = createHash('sha1');
  try {
    for await (const piece of Readable.from([packed]).pipe(createGunzip())) hash.update(piece);
  } catch {
    return null;
  }
  return hash.digest('hex');
}
