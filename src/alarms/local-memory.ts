/**
 * What this host remembers of the main database while that cannot be reached: a small file, in the folder given or,
 * where that cannot be written, in the folder for temporary files.
 *
 * Each change is a file of its own, numbered on, that is linked into place only where no other is: so of two processes
 * one succeeds, and what is there is always whole. It is lost with its folder; then the matter is told once more.
 */
import { randomUUID } from 'node:crypto';
import { accessSync, constants, lstatSync, mkdirSync, mkdtempSync } from 'node:fs';
import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Memory, Standing } from './memory.ts';

export class LocalMemory implements Memory {
  readonly #folder: string;
  readonly #name: string;

  /** @param name tells apart what several installations on this host remember */
  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = `alarm-${name}`;
  }

  async read(): Promise<Standing[]> {
    const { standing } = await this.#last();
    return standing === null ? [] : [standing];
  }

  async swap<After extends Standing | null>(before: Standing | null, after: After): Promise<After | undefined> {
    const { version, standing } = await this.#last();
    if ((before?.version ?? null) !== (standing?.version ?? null)) return undefined;
    const kept = after === null ? after : { ...after, version: version + 1 };
    const made = join(this.#folder, `${this.#name}.${randomUUID()}`);
    await writeFile(made, JSON.stringify(kept), { mode: 0o600, flag: 'wx' });
    try {
      await link(made, this.#file(version + 1));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
      throw error;
    } finally {
      await rm(made, { force: true });
    }
    if ((await this.#last()).version === version + 1) {
      await rm(this.#file(version), { force: true });
      return kept;
    }
    await rm(this.#file(version + 1), { force: true }); // others were two steps further, and had cleared the place
    return undefined;
  }

  #file(version: number): string {
    return join(this.#folder, `${this.#name}.${version}.json`);
  }

  async #last(): Promise<{ version: number; standing: Standing | null }> {
    for (;;) {
      const versions = (await readdir(this.#folder))
        .map((file) => (file.startsWith(`${this.#name}.`) ? /\.(\d{1,9})\.json$/.exec(file)?.[1] : undefined))
        .map(Number)
        .filter((version) => version > 0);
      const version = Math.max(0, ...versions);
      if (version === 0) return { version, standing: null };
      try {
        return { version, standing: JSON.parse(await readFile(this.#file(version), 'utf8')) as Standing | null };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // else a newer one has taken its place
      }
    }
  }
}

/** The first folder that we may write, made where it is missing; else one that nobody will find again. */
export function writableFolder(wanted: string): string {
  if (isWritable(wanted)) return wanted;
  const uid = process.getuid?.();
  const own = join(tmpdir(), `tidemark-${uid ?? 'alarms'}`);
  // What somebody else has put into its place could tell us anything.
  if (isWritable(own) && (uid === undefined || lstatSync(own).uid === uid)) return own;
  return mkdtempSync(join(tmpdir(), 'tidemark-'));
}

function isWritable(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
