/**
 * A command of ours: commander's, but that a mistake is one sentence with what to type next, thrown as every other error
 * of a person is, and that the help of the whole program is one screen.
 */
import { Command, type ErrorOptions } from 'commander';
import { UsageError } from '../platform/errors.ts';
import { folded, overview } from './help.ts';
import { nearest } from './nearest.ts';
import { asTyped } from './output.ts';

export class OurCommand extends Command {
  constructor(name?: string) {
    super(name);
    this.configureOutput({
      writeOut: (text) => process.stdout.write(folded(asTyped(text))),
      writeErr: (text) => process.stderr.write(folded(asTyped(text))),
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
      const [first = ''] = this.args.slice(this.registeredArguments.length);
      refuseSubcommand(this, first);
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

/**
 * `dead-letters lits`: taken for an argument of `dead-letters list`, which need not be typed.
 *
 * @throws UsageError where a neighbour of the command was probably meant
 */
export function refuseSubcommand(command: Command, typed: string): void {
  const { parent } = command;
  if (parent === null || parent.parent === null || parent.args[0] === command.name()) return;
  const meant = nearest(typed, namesOf(parent));
  if (meant === null) return;
  const path = pathOf(parent);
  throw new UsageError(`unknown command '${typed}' of ${path}; did you mean ${path} ${meant}?`, `${path} --help`);
}

export const namesOf = (command: Command) => command.commands.map((one) => one.name());

/** `tidemark ledger show` */
function pathOf(command: Command): string {
  return command.parent === null ? 'tidemark' : `${pathOf(command.parent)} ${command.name()}`;
}
