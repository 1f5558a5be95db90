/**
 * A command of ours: commander's, but that a mistake is one sentence with what to type next, thrown as every other error
 * of a person is, and that the help of the whole program is one screen.
 */
import { Command, type ErrorOptions } from 'commander';
import { UsageError } from '../platform/errors.ts';
import { overview } from './help.ts';
import { asTyped } from './output.ts';

export class OurCommand extends Command {
  constructor(name?: string) {
    super(name);
    this.configureOutput({
      writeOut: (text) => process.stdout.write(asTyped(text)),
      writeErr: (text) => process.stderr.write(asTyped(text)),
    });
  }

  override createCommand(name?: string): Command {
    return new OurCommand(name);
  }

  override helpInformation(context?: Parameters<Command['helpInformation']>[0]): string {
    return this.parent === null ? overview(this) : super.helpInformation(context);
  }

  override error(message: string, { code }: ErrorOptions = {}): never {
    const path = pathOf(this);
    if (code === 'commander.excessArguments') {
      const [first] = this.args.slice(this.registeredArguments.length);
      throw new UsageError(`"${first}" is one argument too many for ${path}`, `${path} --help`);
    }
    const missing = /^error: missing required argument '(.*)'/.exec(message)?.[1];
    if (missing !== undefined)
      throw new UsageError(
        `${path} needs to know which ${missing}: it is missing`,
        missing === 'job' ? 'tidemark list' : `${path} --help`,
      );
    const sentence = message
      .replace(/^error: (command-argument )?/, '')
      .replace(/\n\(Did you mean (.*)\?\)$/, '; did you mean $1');
    throw new UsageError(sentence, `${path} --help`);
  }
}

/** `tidemark ledger show` */
export function pathOf(command: Command): string {
  return command.parent === null ? 'tidemark' : `${pathOf(command.parent)} ${command.name()}`;
}
