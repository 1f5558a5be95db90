/**
 * Small file work for the private servers.
 *
 * Promises: what has its final name is whole. A file is written aside and renamed, a folder is copied aside and
 * renamed. A crash in between leaves something called `….new-…`, which nothing reads and the next `up` removes.
 */
import { randomBytes } from 'node:crypto';
import { cp, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

function aside(path: string): string {
  return `${path}.new-${randomBytes(4).toString('hex')}`;
}

/** Writes a file that only its owner can read. */
export async function writePrivate(path: string, text: string): Promise<void> {
  const temporary = aside(path);
  try {
    await writeFile(temporary, text, { mode: 0o600, flush: true });
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The parsed file, or undefined when it is missing or no JSON. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

/** Copies a folder; `to` appears with everything in it, or not at all. */
export async function copyFolder(from: string, to: string): Promise<void> {
  const temporary = aside(to);
  try {
    await cp(from, temporary, { recursive: true });
    await rename(temporary, to);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Removes what a crash left half-made in a folder. Only for who holds its lock. */
export async function removeHalfMade(folder: string): Promise<void> {
  const left = (await readdir(folder)).filter((name) => /\.new-[0-9a-f]{8}$/.test(name));
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

/** Moves a folder, over the border of a file system, too. */
export async function moveFolder(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFolder(from, to);
    await rm(from, { recursive: true, force: true });
  }
}

/**
 * A path for a folder that nobody else can guess, to be made by who has written it down. It is short and without
 * spaces: sockets allow 107 bytes, mariadb-install-db no spaces.
 */
export function shortTempPath(): string {
  const usual = tmpdir();
  const base = usual.length <= 70 && !/\s/.test(usual) ? usual : '/tmp';
  return join(base, `tidemark-${randomBytes(8).toString('hex')}`);
}

/** How long a file is; 0 when it is missing. */
export async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.size ?? 0;
}

/** The bytes of a file after an offset; empty when it is missing. */
export async function readFrom(path: string, offset: number): Promise<Buffer> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch {
    return Buffer.alloc(0);
  }
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.max(0, size - offset));
    await file.read(bytes, 0, bytes.length, offset);
    return bytes;
  } finally {
    await file.close();
  }
}

/** The last lines of a text, indented, to be shown below a message. */
export function lastLines(text: string, count = 12): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines
    .slice(-count)
    .map((line) => `  ${line}`)
    .join('\n');
}
