/**
 * `tidemark completion`: a script for a shell, made from the definitions of the commands. It holds all that it offers, so
 * that TAB starts no process of ours; after new jobs or a new version it is printed again.
 */
import type { Command } from 'commander';
import { exitCodes, UsageError } from '../platform/errors.ts';
import type { App } from './app.ts';
import { bashScript } from './completion/bash.ts';
import { fishScript } from './completion/fish.ts';
import { completionsOf } from './completion/model.ts';
import { zshScript } from './completion/zsh.ts';

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript };

export function completion(
  program: Command,
  app: App,
  shell: keyof typeof scripts,
  options: { command?: string },
): number {
  const called = app.calledAs ?? 'tidemark';
  const word = options.command ?? called.split('/').at(-1) ?? called;
  if (!/^[\w.-]+$/.test(word))
    throw new UsageError(
      `a shell completes a program of one word, and this one is called as ${called}`,
      `alias jobs='${called}', and tidemark completion ${shell} --command jobs`,
    );
  process.stdout.write(scripts[shell](completionsOf(program, app, word)));
  return exitCodes.done;
}
