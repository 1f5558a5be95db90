/** Where a new job goes: this repository or a team's, and how code is written there. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ownFolder, packageAbove, programFolder } from '../../platform/entry.ts';
import { SetupError, UsageError } from '../../platform/errors.ts';
import type { Style } from './templates.ts';

export interface Place {
  /** The folder that holds package.json. */
  readonly folder: string;
  /** The list of jobs; it may not be there yet. */
  readonly list: string;
  readonly job: string;
  readonly test: string;
  /** The list is that of the program that is running. */
  readonly isOurs: boolean;
  /** A file with the three lines of the command line, where the package has none yet. */
  readonly entry: string | null;
  /** What stands behind an imported file's name: `.js`. */
  readonly ending: string;
  readonly style: Style;
}

interface Package {
  readonly type?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** @throws UsageError or SetupError where a job cannot be put here */
export function placeFor(name: string): Place {
  const program = programFolder();
  const here = packageAbove(process.cwd());
  if (program === ownFolder && here === ownFolder) return ownPlace(name);
  const folder = program === ownFolder ? here : program;
  if (folder === null)
    throw new UsageError(
      'a job belongs to a package, and there is no package.json here or above',
      'npm init -y && npm pkg set type=module && npm install tidemark',
    );
  return teamPlace(name, folder);
}

function ownPlace(name: string): Place {
  return {
    folder: ownFolder,
    list: join(ownFolder, 'jobs/index.ts'),
    job: join(ownFolder, 'jobs', `${name}.ts`),
    test: join(ownFolder, 'test/integration', `${name}.test.ts`),
    isOurs: true,
    entry: null,
    ending: '.ts',
    style: {
      typed: true,
      contract: '../src/engine/job.ts',
      sync: '../src/sync/sync-table.ts',
      bench: '../../src/testing/bench.ts',
      list: '../../jobs/index.ts',
      runner: 'vitest',
      here: true,
    },
  };
}

function teamPlace(name: string, folder: string): Place {
  const known = readPackage(folder);
  const needs = { ...known.dependencies, ...known.devDependencies };
  if (!('tidemark' in needs))
    throw new SetupError(`${join(folder, 'package.json')} does not depend on tidemark`, 'npm install tidemark');
  if (known.type !== 'module')
    throw new SetupError(`${join(folder, 'package.json')} is not of ES modules`, 'npm pkg set type=module');
  const list = ['src/jobs/index.ts', 'jobs/index.ts', 'src/jobs/index.js', 'jobs/index.js']
    .map((file) => join(folder, file))
    .find((file) => existsSync(file));
  const typed = list === undefined ? existsSync(join(folder, 'tsconfig.json')) : list.endsWith('.ts');
  const extension = typed ? '.ts' : '.js';
  const jobs = list === undefined ? join(folder, 'jobs') : dirname(list);
  const ending = typed ? endingOf(folder, list) : '.js';
  const test = join(folder, 'test', `${name}.test${extension}`);
  const entry = join(folder, `tidemark${extension}`);
  const isOurs = programFolder() === folder;
  if (!isOurs && list !== undefined)
    throw new UsageError(
      `${folder} has a list of jobs, which tidemark's own program does not know`,
      `${typed ? 'npx tsx' : 'node'} tidemark${extension} new-job ${name}`,
    );
  return {
    folder,
    list: list ?? join(jobs, `index${extension}`),
    job: join(jobs, `${name}${extension}`),
    test,
    isOurs,
    entry: isOurs || existsSync(entry) ? null : entry,
    ending,
    style: {
      typed,
      contract: 'tidemark',
      sync: 'tidemark',
      bench: 'tidemark/testing',
      list: relativeImport(test, join(jobs, `index${ending}`)),
      runner: 'vitest' in needs ? 'vitest' : 'node',
      here: false,
    },
  };
}

function readPackage(folder: string): Package {
  const file = join(folder, 'package.json');
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Package;
  } catch (error) {
    throw new SetupError(`${file} cannot be read: ${(error as Error).message}`, 'correct it, then type this again');
  }
}

/** TypeScript is imported by the name of what is compiled, unless the team does it otherwise. */
function endingOf(folder: string, list: string | undefined): '.ts' | '.js' {
  const imported = list === undefined ? null : /from '\.[^']*(\.[jt]s)'/.exec(readFileSync(list, 'utf8'));
  if (imported !== null) return imported[1] as '.ts' | '.js';
  const settings = join(folder, 'tsconfig.json');
  const text = existsSync(settings) ? readFileSync(settings, 'utf8') : '';
  return /"(allowImportingTsExtensions|rewriteRelativeImportExtensions)"\s*:\s*true/.test(text) ? '.ts' : '.js';
}

export function relativeImport(from: string, to: string): string {
  const path = relative(dirname(from), to);
  return path.startsWith('.') ? path : `./${path}`;
}
