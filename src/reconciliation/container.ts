/**
 * A statement file as the bytes of its text: plain, in a GZIP, or in a ZIP with one detail file. The first bytes tell
 * which, not the name of the file.
 *
 * A container that was cut off or damaged is refused: by its directory (ZIP), its length and its checksum. In a ZIP the
 * file to read is the only `.csv` that is no summary (汇总); names are in GBK unless the archive says UTF-8.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32, createGunzip } from 'node:zlib';
import iconv from 'iconv-lite';
import { openPromise, type Entry as ZipEntry, type ZipFile } from 'yauzl';
import { StatementError } from './statement-error.ts';

const chunkBytes = 262_144;
const utf8Names = 0x800;

/**
 * The bytes, piece by piece; a piece is valid until the next one is asked for.
 *
 * @throws StatementError when the container is not whole; errors of the file system as they are
 */
export async function* bytesOf(file: string): AsyncGenerator<Buffer> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    const start = buffer.toString('hex', 0, bytesRead);
    if (start.startsWith('504b0304')) yield* unzipped(file);
    else if (start.startsWith('1f8b')) yield* gunzipped(file);
    else yield* plain(handle);
  } finally {
    await handle.close();
  }
}

/** Read into two buffers in turn, one while the other is worked on: a stream would make a new one for each piece. */
async function* plain(handle: FileHandle): AsyncGenerator<Buffer> {
  const read = (buffer: Buffer) => handle.read(buffer, 0, buffer.length, null); // from where the last one ended
  let [here, there] = [Buffer.alloc(chunkBytes), Buffer.alloc(chunkBytes)];
  for (let filled = await read(here); filled.bytesRead > 0; ) {
    const next = read(there);
    next.catch(() => undefined); // it is awaited below, or whoever reads has stopped first
    yield here.subarray(0, filled.bytesRead);
    filled = await next;
    [here, there] = [there, here];
  }
}

async function* gunzipped(file: string): AsyncGenerator<Buffer> {
  const compressed = createReadStream(file, { highWaterMark: chunkBytes });
  const text = createGunzip({ chunkSize: chunkBytes });
  compressed.on('error', (error) => text.destroy(error));
  try {
    yield* compressed.pipe(text);
  } catch (error) {
    throw damaged(file, 'GZIP', error);
  } finally {
    compressed.destroy();
  }
}

async function* unzipped(file: string): AsyncGenerator<Buffer> {
  const archive = await openPromise(file, { decodeStrings: false, autoClose: false }).catch((error) => {
    throw damaged(file, 'ZIP', error);
  });
  try {
    const entry = await detailOf(file, archive);
    let sum = 0;
    for await (const chunk of await archive.openReadStreamPromise(entry)) {
      sum = crc32(chunk, sum);
      yield chunk;
    }
    if (sum !== entry.crc32) throw new Error(`the checksum of ${nameOf(entry)} is wrong`);
  } catch (error) {
    throw damaged(file, 'ZIP', error);
  } finally {
    archive.close();
  }
}

async function detailOf(file: string, archive: ZipFile): Promise<ZipEntry> {
  const details: ZipEntry[] = [];
  for await (const entry of archive.eachEntry()) {
    const name = nameOf(entry);
    if (name.toLowerCase().endsWith('.csv') && !name.includes('汇总')) details.push(entry);
  }
  const [detail] = details;
  if (detail !== undefined && details.length === 1) return detail;
  const found = details.length === 0 ? 'none' : details.map(nameOf).join(', ');
  throw new StatementError(file, null, 'one detail file (.csv, not 汇总) in the ZIP', found);
}

function nameOf(entry: ZipEntry): string {
  return iconv.decode(entry.fileNameRaw, (entry.generalPurposeBitFlag & utf8Names) === 0 ? 'gbk' : 'utf8');
}

/** Failures of the file system have a code, and are no matter of the container. */
function damaged(file: string, kind: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof StatementError || /^E[A-Z]+$/.test(code ?? '')) return error;
  return new StatementError(file, null, `a whole ${kind}`, (error as Error).message, error);
}
