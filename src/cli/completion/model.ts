/** What a shell is to know of the program: its commands, and what may stand where behind them. */
import type { Command, Option } from 'commander';
import { shardNames } from '../../engine/job.ts';
import type { App } from '../app.ts';
import { asTyped } from '../output.ts';

/** What may stand in one place of a command line. */
export type Offer = 'nothing' | 'file' | 'job' | 'shard' | readonly string[];

export interface Flag {
  readonly name: string;
  readonly about: string;
  /** Null of a flag that takes no value. */
  readonly value: Offer | null;
}

/** A command as shells see it: its words behind the program's, what may follow. */
export interface Completed {
  readonly path: string;
  readonly about: string;
  readonly commands: readonly string[];
  readonly flags: readonly Flag[];
  /** By place; the last one again and again where it is `repeats`. */
  readonly offers: readonly Offer[];
  readonly repeats: boolean;
}

export interface Completions {
  /** The word that is completed. */
  readonly word: string;
  readonly commands: readonly Completed[];
  readonly jobs: readonly string[];
  /** Of the jobs that have some. */
  readonly shards: Readonly<Record<string, readonly string[]>>;
}

/** Shells would read other characters as their own. */
const isPlain = (text: string) => /^[\w.:@+-]+$/.test(text);

export function completionsOf(program: Command, { jobs }: App, word: string): Completions {
  const sharded = jobs.map((job) => [job.name, shardNames(job).filter(isPlain)] as const);
  return {
    word,
    commands: allOf(program).map(({ path, command }) => completedOf(path, command)),
    jobs: jobs.map(({ name }) => name),
    shards: Object.fromEntries(sharded.filter(([, shards]) => shards.length > 0)),
  };
}

function allOf(command: Command, path = ''): { path: string; command: Command }[] {
  const below = command.commands.flatMap((one) => allOf(one, `${path} ${one.name()}`.trim()));
  return [{ path, command }, ...below];
}

function completedOf(path: string, command: Command): Completed {
  const parameters = command.registeredArguments;
  return {
    path,
    about: asTyped(command.summary() || command.description()),
    commands: command.commands.map((one) => one.name()),
    flags: [
      ...command.options.filter(({ hidden }) => !hidden).map(flagOf),
      { name: '--help', about: 'tells more, with examples', value: null },
    ],
    offers: parameters.map((parameter) => parameter.argChoices ?? offerOf(parameter.name())),
    repeats: parameters.at(-1)?.variadic === true,
  };
}

function flagOf(option: Option): Flag {
  const name = option.long ?? option.short ?? '';
  const [, value] = /[<[](.*?)[>\]]/.exec(option.flags) ?? [];
  const offer = option.argChoices ?? (value === undefined ? null : offerOf(value));
  return { name, about: asTyped(option.description), value: offer };
}

function offerOf(name: string): Offer {
  const words = name.replace('...', '').split('|');
  if (words.includes('job')) return 'job';
  if (words.includes('shard')) return 'shard';
  return words.includes('file') ? 'file' : 'nothing';
}
