/** What the definitions of commands have in common. */
import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../platform/config.ts';

/** Takes the exit code. */
export type Done = (code: number) => void;

export const duration = (text: string): number => {
  const ms = parseDuration(text);
  if (ms === null || ms === 0) throw new InvalidArgumentError('Expected a duration such as 10s, 5m or 2h.');
  return ms;
};

export const positive = (text: string): number => {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Expected a whole number of 1 or more.');
  return Number(text);
};

export const examples = (...lines: string[]) => `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`;
