/** What a command line of tidemark means, asked of the definitions of the commands, without running any. */
import type { Command } from 'commander';
import { UsageError } from '../platform/errors.ts';
import type { ReadCommand } from '../schedule/finding.ts';

/**
 * Reads the words behind `tidemark`. To be asked when the command line of this process has been read: the definitions
 * keep what they are asked.
 */
export function readCommand(program: Command, words: readonly string[]): ReadCommand {
  const names: string[] = [];
  let command = program;
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) break;
    command = next;
    names.push(word);
  }
  const rest = words.slice(names.length);
  const name = names.join(' ');
  if (command === program) return { name, operands: [], complaint: `there is no command "${rest[0] ?? ''}"` };
  try {
    const { operands, unknown } = command.parseOptions([...rest]);
    return { name, operands, complaint: complaintOf(command, operands, unknown) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { name, operands: [], complaint: error.message.replace(/\.$/, '') };
  }
}

function complaintOf(command: Command, operands: readonly string[], unknown: readonly string[]): string | null {
  if (unknown[0] !== undefined) return `${command.name()} knows no ${unknown[0]}`;
  const required = command.registeredArguments.filter(({ required: must }) => must);
  return operands.length < required.length ? `${command.name()} needs a ${required[operands.length]?.name()}` : null;
}
