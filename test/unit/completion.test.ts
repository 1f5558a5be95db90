/** What TAB offers, asked of the shells themselves. zsh and fish where they are installed; bash always. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jobs } from '../../jobs/index.ts';
import { migrations, payOrders } from '../../migrations/index.ts';
import { bashScript } from '../../src/cli/completion/bash.ts';
import { fishScript } from '../../src/cli/completion/fish.ts';
import { completionsOf } from '../../src/cli/completion/model.ts';
import { zshScript } from '../../src/cli/completion/zsh.ts';
import { createProgram } from '../../src/cli/program.ts';

const app = { jobs, migrations, payOrders };
const program = createProgram(app, () => undefined);
const known = completionsOf(program, app, 'tidemark');
const jobNames = jobs.map(({ name }) => name);

/** What is typed before TAB, and all that may stand there. */
const scenes: readonly (readonly [string, readonly string[]])[] = [
  ['tidemark ', program.commands.map((command) => command.name())],
  ['tidemark ver', ['verify']],
  ['tidemark run ', jobNames],
  ['tidemark run roll', ['rollup-income']],
  ['tidemark run sync-commission-log ', ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']],
  ['tidemark run sync-commission-log 3 ', ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']],
  ['tidemark run reconcile-day a', ['alipay']],
  ['tidemark run rollup-income ', []],
  ['tidemark run --if-locked ', ['skip', 'wait', 'fail']],
  ['tidemark run --timeout 5m check', ['check-pending-payments']],
  ['tidemark run --timeout ', []],
  ['tidemark run --max', ['--max-windows']],
  ['tidemark run rollup-income --ful', ['--full']],
  ['tidemark status --js', ['--json']],
  ['tidemark dead-letters ret', ['retry']],
  ['tidemark dead-letters retry settle', ['settle-month']],
  ['tidemark payments list --state p', ['pending', 'paid']],
  ['tidemark local sql ', ['plus', 'mia', 'ledger']],
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-completion-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const script = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const isThere = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0;

/** One answer a line, of all scenes in one start of the shell. */
function answers(shell: string, file: string): string[][] {
  const lines = execFileSync(shell, [file], { encoding: 'utf8' }).split('\n').slice(0, -1);
  return lines.map((line) => line.split(' ').filter((word) => word !== ''));
}

function expectAnswers(told: readonly (readonly string[])[]): void {
  expect(told).toHaveLength(scenes.length);
  for (const [index, [typed, expected]] of scenes.entries())
    expect([...(told[index] ?? [])].sort(), typed).toEqual([...expected].sort());
}

describe('bash', () => {
  const ask = (typed: string) =>
    `COMP_WORDS=(${typed.replace(/ $/, " ''")}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMPREPLY=(); _tidemark_completion; echo "\${COMPREPLY[*]}"`;

  test('offers commands, jobs, shards, flags and their values', () => {
    const lines = scenes.map(([typed]) => ask(typed));
    expectAnswers(answers('bash', script('ask.sh', `${bashScript(known)}${lines.join('\n')}\n`)));
  });

  test('takes --flag=value as bash does: three words', () => {
    const text = `${bashScript(known)}${ask('tidemark run --if-locked = w')}\n${ask('tidemark run --if-locked =')}\n`;
    expect(answers('bash', script('equals.sh', text))).toEqual([['wait'], ['skip', 'wait', 'fail']]);
  });

  test('is registered for the word that is asked for', () => {
    const text = `${bashScript({ ...known, word: 'shop-jobs' })}complete -p shop-jobs\n`;
    expect(answers('bash', script('registered.sh', text))).toEqual([
      ['complete', '-F', '_shop_jobs_completion', 'shop-jobs'],
    ]);
  });
});

describe.runIf(isThere('fish'))('fish', () => {
  test('offers the same', () => {
    const lines = scenes.map(([typed]) => `echo (complete -C '${typed}' | string replace -r '\\t.*' '')`);
    expectAnswers(answers('fish', script('ask.fish', `${fishScript(known)}${lines.join('\n')}\n`)));
  });
});

describe.runIf(isThere('zsh'))('zsh', () => {
  test('offers the same', () => {
    // Without a terminal, what zsh would show is caught where the script hands it over.
    const stubs = `compdef() { :; }; compadd() { shift; for w in "$@"; do [[ $w == $cur* ]] && print -n -- "$w "; done; }
_files() { :; }; _describe() { local -a list; list=("\${(@P)@[-1]}"); for w in $list; do [[ $w == $cur* ]] && print -n -- "\${w%%:*} "; done; }
ask() { words=("$@"); CURRENT=$#; _tidemark_completion; print; }\n`;
    const lines = scenes.map(([typed]) => `ask ${typed.replace(/ $/, " ''")}`);
    expectAnswers(answers('zsh', script('ask.zsh', `${stubs}${zshScript(known)}${lines.join('\n')}\n`)));
  });
});
