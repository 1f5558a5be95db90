/**
 * A team's repository in a folder of its own: a copy of examples/small-team, with tidemark installed from the tarball
 * that `npm pack` makes. The packages that tidemark depends on are this repository's; nothing is fetched.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { CliResult } from './world.ts';

export const repository = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

export class Team {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** @param isEmpty there is nothing yet but package.json */
  static async create({ isEmpty = false } = {}): Promise<Team> {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-team-'));
    const example = join(repository, 'examples/small-team');
    await cp(isEmpty ? join(example, 'package.json') : example, isEmpty ? join(folder, 'package.json') : folder, {
      recursive: true,
    });
    await installPacked(folder);
    return new Team(folder);
  }

  /** A program of the team's, or Node itself with flags before it, with no settings but those of its folder. */
  node(args: readonly string[], cwd: string = this.folder): Promise<CliResult> {
    const env = { PATH: process.env.PATH ?? '', HOME: this.folder };
    return new Promise((resolve) => {
      execFile(process.execPath, [...args], { cwd, env }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr });
      });
    });
  }

  /** `node tidemark.js …` */
  cli(...args: readonly string[]): Promise<CliResult> {
    return this.node(['tidemark.js', ...args]);
  }

  destroy(): Promise<void> {
    return rm(this.folder, { recursive: true });
  }
}

async function installPacked(folder: string): Promise<void> {
  await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], { cwd: repository });
  const { name, version, dependencies } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8'));
  const tarball = join(folder, `${name}-${version}.tgz`);
  await run('tar', ['-xzf', tarball, '-C', folder]);
  await rm(tarball);
  await mkdir(join(folder, 'node_modules'), { recursive: true });
  await rename(join(folder, 'package'), join(folder, 'node_modules', name));
  for (const dependency of Object.keys(dependencies)) await link(dependency, folder);
}

/** A package of this repository in a team's. */
export async function link(name: string, folder: string): Promise<void> {
  const place = join(folder, 'node_modules', name);
  await mkdir(dirname(place), { recursive: true });
  await symlink(join(repository, 'node_modules', name), place);
}
