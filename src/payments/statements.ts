/**
 * The providers' bills of a day as files for reconcile-day: `<folder>/<provider>/<day>.<ending>`, written aside, made
 * durable and renamed, so that a file that has its name is whole.
 *
 * A provider that has no bill of a day either has none yet, or never will, since nothing happened on that day: it says
 * the same of both. When it still says so much later, and we know of no payment of that day either, the day is noted as
 * one without a bill, by an empty file `<day>.none`.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { JobError, SetupError } from '../platform/errors.ts';
import type { Provider, ProviderName } from './provider.ts';

export type Bill = NonNullable<Awaited<ReturnType<Provider['statement']>>>;

/** Says that there was nothing on the day. */
export const noBill: Bill = { ending: 'none', content: Buffer.alloc(0) };

export interface BillPlace {
  readonly folder: string;
  readonly provider: ProviderName;
  /** The business day, `2026-11-20`. */
  readonly day: string;
}

/** @param folder TIDEMARK_STATEMENTS. @throws SetupError when it is not set */
export function billPlace(folder: string | undefined, provider: ProviderName, day: string): BillPlace {
  if (folder !== undefined) return { folder, provider, day };
  throw new SetupError(
    'TIDEMARK_STATEMENTS is missing: the folder into which the bills are to be fetched',
    'set it in the environment or in .env, for example TIDEMARK_STATEMENTS=/var/lib/tidemark/statements',
  );
}

/** The files of a day that are there, whoever brought them. */
export async function billFiles({ folder, provider, day }: BillPlace): Promise<readonly string[]> {
  const names = await readdir(join(folder, provider)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => name.startsWith(`${day}.`) && !/\.(part|tmp)$/.test(name)).sort();
}

/**
 * Keeps a bill, in place of the same file or of a note that there is none.
 *
 * @returns the file
 * @throws JobError when there is another file of that day, which somebody else has brought
 */
export async function keepBill(place: BillPlace, { ending, content }: Bill): Promise<string> {
  const own = `${place.day}.${ending}`;
  const note = `${place.day}.${noBill.ending}`;
  const at = join(place.folder, place.provider);
  const before = await billFiles(place);
  const [other] = before.filter((name) => name !== own && name !== note);
  if (other !== undefined)
    throw new JobError(
      `there is already ${join(at, other)}`,
      `rm ${join(at, other)}, if the provider's own is to take its place`,
    );
  await mkdir(at, { recursive: true });
  // A name of its own: who was stopped while writing must never go on in a file that has its name by now.
  const aside = join(at, `${own}.${crypto.randomUUID()}.part`);
  try {
    await write(aside, content);
    await rename(aside, join(at, own));
  } finally {
    await rm(aside, { force: true });
  }
  if (own !== note && before.includes(note)) await rm(join(at, note), { force: true });
  return join(at, own);
}

async function write(file: string, content: Buffer): Promise<void> {
  const handle = await open(file, 'wx', 0o640);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A day whose bill was asked for by name, or is long due, and is not there. */
export function billMissing({ provider, day }: BillPlace, ours: boolean): JobError {
  const but = ours ? ', and there are payments of that day in the ledger' : '';
  return new JobError(`${provider} has no bill of ${day}${but}`, 'ask the provider, or bring the file yourself');
}
