/**
 * How this program was started: by tidemark's own bin/tidemark, or by the entry of a team's package that has tidemark as
 * a dependency. Tells the folder whose settings and jobs it works with, and what a person types to call it again.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, delimiter, dirname, extname, isAbsolute, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The nearest folder at or above this one that holds a package.json; null when there is none. */
export function packageAbove(folder: string): string | null {
  for (let here = folder; ; here = dirname(here)) {
    if (existsSync(join(here, 'package.json'))) return here;
    if (dirname(here) === here) return null;
  }
}

/** tidemark's own folder: the one that holds package.json, above both src/platform and dist. */
export const ownFolder: string = packageAbove(dirname(fileURLToPath(import.meta.url))) ?? process.cwd();

export function ownVersion(): string {
  return (JSON.parse(readFileSync(join(ownFolder, 'package.json'), 'utf8')) as { version: string }).version;
}

/**
 * The folder of the package whose program this is: a team's, or tidemark's own. What is started from a package below
 * node_modules, a test runner say, works for the package that has it installed.
 */
export function programFolder(entry: string | undefined = process.argv[1]): string {
  if (entry === undefined || !existsSync(entry)) return ownFolder;
  const file = realpathSync(entry);
  if (packageAbove(dirname(file)) === ownFolder) return ownFolder;
  const [outside = file] = file.split(`${sep}node_modules${sep}`);
  return packageAbove(outside === file ? dirname(file) : outside) ?? ownFolder;
}

export interface Calling {
  /** The file that Node was given. */
  readonly entry: string | undefined;
  /** What Node was given before it. */
  readonly nodeFlags: readonly string[];
  /** The path by which bin/tidemark was called. */
  readonly shellEntry: string | undefined;
  readonly path: string;
  readonly folder: string;
  readonly onTerminal: boolean;
}

/** Set by bin/tidemark, and no setting. */
export const shellEntryVariable = 'TIDEMARK_CALLED_AS';

const callingNow = (): Calling => ({
  entry: process.argv[1],
  nodeFlags: process.execArgv,
  shellEntry: process.env[shellEntryVariable],
  path: process.env.PATH ?? '',
  folder: process.cwd(),
  onTerminal: process.stderr.isTTY === true,
});

/**
 * What a person types to call this program: `tidemark`, `bin/tidemark`, `npx tidemark`, `node main.js`. Next commands
 * that are told are to work when they are copied.
 */
export function programName(calling: Calling = callingNow()): string {
  const { entry, shellEntry } = calling;
  if (entry === undefined || programFolder(entry) === ownFolder)
    return shellEntry === undefined ? 'tidemark' : shellName(shellEntry, calling);
  if (isInstalled(entry)) return `npx ${basename(entry)}`;
  const file = relative(calling.folder, entry);
  if (extname(entry) === '') return shellName(file.includes('/') ? file : `./${file}`, calling);
  if (calling.nodeFlags.some((flag) => /\btsx\b/.test(flag))) return `npx tsx ${file}`;
  return ['node', ...calling.nodeFlags, file].join(' ');
}

/** A link that npm has made for a dependency. */
const isInstalled = (file: string): boolean => dirname(file).endsWith(join('node_modules', '.bin'));

/** Cron calls by an absolute path, which would only make a mail longer: there the plain name is told. */
function shellName(file: string, { path, onTerminal }: Calling): string {
  const name = basename(file);
  if (isInstalled(file)) return `npx ${name}`;
  const isOnPath = path.split(delimiter).includes(dirname(file));
  return isOnPath || (isAbsolute(file) && !onTerminal) ? name : file;
}
