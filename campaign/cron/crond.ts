/**
 * Debian's own cron, with one crontab and nothing else, in a mount namespace of its own: the system's crontabs are out of
 * its sight, the real spool and the real pid file are not touched, and with its processes everything of it is gone.
 *
 * Its SHELL is a recorder: it keeps what each line printed, which is what cron would mail, and how it ended.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { programOf } from '../../src/platform/local/binaries.ts';

/** $1: the folder, $2: cron. A line of the crontab that is wrong makes `crontab` fail, and nothing begins. */
const script = `
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mount --bind "$1/cron.d" /etc/cron.d
: > /run/crontab && [ ! -e /etc/crontab ] || mount --bind /run/crontab /etc/crontab
mkdir -p /var/spool/cron
chmod 755 "$1/spool" && mount --bind "$1/spool" /var/spool/cron
mkdir -p /var/spool/cron/crontabs && chmod 1730 /var/spool/cron/crontabs && chgrp crontab /var/spool/cron/crontabs
crontab "$1/tidemark.cron"
exec "$2" -f
`;

const recorder = (folder: string) => `#!/bin/sh
# cron calls: SHELL -c 'command'. One file each for the command, what it printed and how it ended.
run="${folder}/runs/$(date +%s).$$"
printf '%s' "$2" > "$run.command"
/bin/sh -c "$2" > "$run.said" 2>&1
printf '%s' "$?" > "$run.code"
`;

/** What cron has started. */
export interface CronRun {
  readonly command: string;
  readonly said: string;
  /** Null while it runs. */
  readonly code: number | null;
}

export class Crond {
  readonly #folder: string;
  readonly #child: ChildProcess;
  #said = '';

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text;
      });
  }

  /** The word for the SHELL of a crontab in this folder. */
  static shellIn = (folder: string): string => join(folder, 'recorder');

  static async start(folder: string, crontab: string): Promise<Crond> {
    const cron = await programOf('cron', 'cron', (line) => process.stderr.write(`campaign cron: ${line}\n`));
    for (const name of ['cron.d', 'spool', 'runs']) await mkdir(join(folder, name), { recursive: true });
    await writeFile(Crond.shellIn(folder), recorder(folder), { mode: 0o755 });
    await writeFile(join(folder, 'tidemark.cron'), crontab);
    const child = spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', folder, cron], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const crond = new Crond(folder, child);
    await sleep(1000);
    crond.assertAlive();
    return crond;
  }

  assertAlive(): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null)
      throw new Error(`cron has ended: ${this.#said || 'without a word'} (it needs root, and the right to mount)`);
  }

  async runs(): Promise<CronRun[]> {
    const folder = join(this.#folder, 'runs');
    const names = (await readdir(folder)).filter((name) => name.endsWith('.command'));
    const read = (name: string) => readFile(join(folder, name), 'utf8').catch(() => null);
    return Promise.all(
      names.map(async (name) => {
        const base = name.replace(/\.command$/, '');
        const code = await read(`${base}.code`);
        const said = (await read(`${base}.said`)) ?? '';
        return { command: (await read(name)) ?? '', said, code: code === null || code === '' ? null : Number(code) };
      }),
    );
  }

  /** No line is started any more; waits for those under way. @returns whether all have ended */
  async stop(patienceMs: number): Promise<boolean> {
    this.#child.kill('SIGTERM');
    for (const endAt = Date.now() + patienceMs; Date.now() < endAt; await sleep(200))
      if ((await this.runs()).every(({ code }) => code !== null)) return true;
    return false;
  }
}
