/** What the definitions of commands have in common. */
import { type Command, InvalidArgumentError, Option } from 'commander';
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

/** What `tidemark run` takes. */
export function withRunOptions(command: Command): Command {
  return command
    .argument('<job>', 'one of `tidemark list`')
    .argument('[shard...]', 'only these shards')
    .option('--from <time>', 'run again from this time (with --to); the checkpoint stays')
    .option('--to <time>', 'run again up to this time')
    .option('--full', 'do the whole job from all data')
    .option('--repair', 'work off dead letters, instead of new windows')
    .option('--sweep', 'read the closed windows of the last day again, and apply what changed')
    .option('--dry-run', 'read and count; write nothing anywhere')
    .option('--max-windows <n>', 'stop after n windows a shard', positive)
    .option('--concurrency <n>', 'shards at once', positive, 4)
    .option('--every <duration>', 'again every so often (with --for)', duration)
    .option('--for <duration>', 'how long to go on with --every', duration)
    .option('--timeout <duration>', 'stop cleanly after this time', duration)
    .addOption(
      new Option('--if-locked <what>', 'when another run holds the lock')
        .choices(['skip', 'wait', 'fail'])
        .default('skip'),
    )
    .option('--json', 'the result as one JSON object on stdout');
}
