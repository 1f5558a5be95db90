/**
 * The programs that the private servers are made of: found, or installed, or explained.
 *
 * Promises: four programs that exist, or one error that says how to get them. On Debian and Ubuntu, as root or with a
 * sudo that asks nothing, the missing packages are installed; their services are neither started nor enabled.
 * A crash during the installation is apt's to repair (`dpkg --configure -a`).
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { SetupError } from '../errors.ts';
import { isProgram } from '../process.ts';
import { lastLines } from './files.ts';

export interface Binaries {
  readonly mariadbd: string;
  readonly mariadbInstallDb: string;
  readonly redisServer: string;
  readonly flock: string;
}

/** How programs are looked up; tests bring their own. */
export interface Lookup {
  /** The path of a program, if there is one. */
  find(name: string): string | undefined;
  /** The words before `sh -c …` that give the right to run apt-get; undefined where that cannot be had. */
  aptPrefix(): readonly string[] | undefined;
}

type Say = (line: string) => void;

const wanted: Record<keyof Binaries, { names: readonly string[]; debianPackage: string }> = {
  mariadbd: { names: ['mariadbd', 'mysqld'], debianPackage: 'mariadb-server' },
  mariadbInstallDb: { names: ['mariadb-install-db', 'mysql_install_db'], debianPackage: 'mariadb-server' },
  redisServer: { names: ['redis-server'], debianPackage: 'redis-server' },
  flock: { names: ['flock'], debianPackage: 'util-linux' },
};

/** Cron's PATH is /usr/bin:/bin, and the servers live elsewhere. */
const furtherFolders = [
  ...['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/local/sbin', '/usr/libexec'],
  ...[
    '/opt/homebrew/bin',
    '/opt/homebrew/opt/mariadb/bin',
    '/opt/homebrew/opt/redis/bin',
    '/opt/homebrew/opt/flock/bin',
  ],
  ...['/usr/local/opt/mariadb/bin', '/usr/local/opt/redis/bin', '/usr/local/opt/flock/bin'],
  ...['/home/linuxbrew/.linuxbrew/bin', '/usr/local/mysql/bin', '/usr/local/mariadb/bin'],
];

function find(name: string): string | undefined {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/')),
    ...furtherFolders,
  ];
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

function aptPrefix(): readonly string[] | undefined {
  if (find('apt-get') === undefined) return undefined;
  if (process.getuid?.() === 0) return [];
  const sudo = find('sudo');
  if (sudo === undefined) return undefined;
  try {
    execFileSync(sudo, ['-n', 'true'], { stdio: 'ignore', timeout: 5000 });
    return [sudo, '-n'];
  } catch {
    return undefined;
  }
}

const systemLookup: Lookup = { find, aptPrefix };

/** `mysqld` may be Oracle's MySQL, which is set up in another way. */
async function isMariadb(path: string): Promise<boolean> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--no-defaults', '--version'], { timeout: 10_000 });
    return /mariadb/i.test(stdout);
  } catch {
    return false;
  }
}

async function look(lookup: Lookup): Promise<Partial<Binaries>> {
  const found: Partial<Record<keyof Binaries, string>> = {};
  for (const key of Object.keys(wanted) as (keyof Binaries)[]) {
    for (const name of wanted[key].names) {
      const path = lookup.find(name);
      if (path === undefined || (name === 'mysqld' && !(await isMariadb(path)))) continue;
      found[key] = path;
      break;
    }
  }
  return found;
}

function missingFrom(found: Partial<Binaries>): (keyof Binaries)[] {
  return (Object.keys(wanted) as (keyof Binaries)[]).filter((key) => found[key] === undefined);
}

function packagesFor(missing: readonly (keyof Binaries)[]): string[] {
  return [...new Set(missing.map((key) => wanted[key].debianPackage))];
}

/**
 * The shell's part of an installation, with the packages as its parameters. While it runs, a policy-rc.d forbids
 * packages to start services on the standard ports; one that exists already belongs to somebody and is left alone.
 */
const installScript = `
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' > "$policy" && chmod 755 "$policy" || exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=120 update || echo 'apt-get update failed: going on with the package lists at hand'
apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@" || exit $?
if command -v systemctl > /dev/null; then
  for package in "$@"; do
    case "$package" in
      mariadb-server) systemctl disable mariadb.service ;;
      redis-server) systemctl disable redis-server.service ;;
    esac
  done > /dev/null 2>&1
fi
exit 0
`;

async function install(prefix: readonly string[], packages: readonly string[], say: Say): Promise<void> {
  say(`installing ${packages.join(' and ')} with apt-get; this takes a minute or two, and starts no service`);
  const [program = 'sh', ...parameters] = [...prefix, 'sh', '-c', installScript, 'sh', ...packages];
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (bytes: Buffer) => {
    output = (output + bytes.toString()).slice(-20_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).catch((error: Error) => {
    output += error.message;
    return 1;
  });
  if (code !== 0) {
    throw new SetupError(
      `apt-get could not install ${packages.join(' and ')}:\n${lastLines(output)}`,
      aptLine(packages),
    );
  }
  say(`installed ${packages.join(' and ')}`);
}

function aptLine(packages: readonly string[]): string {
  return `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

function explain(missing: readonly (keyof Binaries)[]): SetupError {
  const names = missing.map((key) => wanted[key].names[0]).join(', ');
  return new SetupError(
    [
      `the private servers need programs that are not here: ${names}. Any one of these helps:`,
      `  Debian, Ubuntu   sudo sh -c '${aptLine(packagesFor(missing))}'`,
      '  Homebrew         brew install mariadb redis flock',
      '  Docker           docker compose up -d      (compose.yaml; it names the settings for .env)',
    ].join('\n'),
  );
}

/**
 * The programs, installed when that is possible without asking.
 *
 * @throws SetupError when some are missing and cannot be installed, or the installation failed
 */
export async function binaries(say: Say, lookup: Lookup = systemLookup): Promise<Binaries> {
  let found = await look(lookup);
  const missing = missingFrom(found);
  if (missing.length > 0) {
    const prefix = lookup.aptPrefix();
    if (prefix === undefined) throw explain(missing);
    await install(prefix, packagesFor(missing), say);
    found = await look(lookup);
    const still = missingFrom(found);
    if (still.length > 0) throw explain(still);
  }
  return found as Binaries;
}

/**
 * The path of a program of a Debian package, which is installed when that is possible without asking, and not started.
 *
 * @throws SetupError when it is missing and cannot be installed
 */
export async function programOf(
  name: string,
  debianPackage: string,
  say: Say,
  lookup: Lookup = systemLookup,
): Promise<string> {
  const here = lookup.find(name);
  if (here !== undefined) return here;
  const prefix = lookup.aptPrefix();
  if (prefix !== undefined) await install(prefix, [debianPackage], say);
  const path = lookup.find(name);
  if (path === undefined) throw new SetupError(`there is no ${name} on this host`, aptLine([debianPackage]));
  return path;
}
