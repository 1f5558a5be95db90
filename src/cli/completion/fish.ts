/** Completion for fish. */

import { functionName } from './bash.ts';
import type { Completions, Flag, Offer } from './model.ts';

export function fishScript({ word, commands, jobs, shards }: Completions): string {
  const at = functionName(word);
  const paths = commands.filter(({ path }) => path !== '').map(({ path }) => quoted(path));
  const taking = commands.flatMap(({ path, flags }) =>
    flags.filter(({ value }) => value !== null).map(({ name }) => quoted(`${path} ${name}`)),
  );
  const aboutOf = (path: string) => commands.find((command) => command.path === path)?.about ?? '';
  const offered = (offer: Offer) => (offer === 'job' ? jobs : typeof offer === 'string' ? [] : offer).join(' ');
  const lines = commands.flatMap(({ path, commands: names, flags, offers, repeats }) => [
    ...names.map(
      (name) =>
        `complete -c ${word} -n ${quoted(`${at} ${quoted(path)} 0`)} -a ${name} -d ${quoted(aboutOf(`${path} ${name}`.trim()))}`,
    ),
    ...flags.map((flag) => `complete -c ${word} -n ${quoted(`${at} ${quoted(path)}`)} ${flagText(flag, offered)}`),
    ...(names.length > 0 ? [] : offers).flatMap((offer, place) => {
      const where = `${at} ${quoted(path)} ${repeats && place === offers.length - 1 ? `${place}+` : place}`;
      if (offer === 'file') return [`complete -c ${word} -n ${quoted(where)} -F`];
      if (offer !== 'shard')
        return offer === 'nothing' ? [] : [`complete -c ${word} -n ${quoted(where)} -a ${quoted(offered(offer))}`];
      return Object.entries(shards).map(
        ([job, own]) => `complete -c ${word} -n ${quoted(`${where} ${job}`)} -a ${quoted(own.join(' '))}`,
      );
    }),
  ]);
  return `# Completion of ${word} for fish, made by \`completion fish\`. Holds all it offers; make it anew after new jobs.
# ${at} PATH [PLACE [JOB]]: whether the words typed so far are this command, in this place, behind this job.
function ${at}
  set -l path
  set -l place 0
  set -l job
  set -l skip
  for word in (commandline -opc)[2..-1]
    if test -n "$skip"
      set skip
      continue
    end
    if string match -q -- '-*' $word
      contains -- "$path $word" ${taking.join(' ')}; and set skip 1
      continue
    end
    set -l longer (string trim -- "$path $word")
    if contains -- $longer ${paths.join(' ')}
      set path $longer
    else
      set place (math $place + 1)
      test -z "$job"; and set job $word
    end
  end
  test "$path" = "$argv[1]"; or return 1
  if set -q argv[2]
    if string match -q -- '*+' $argv[2]
      test $place -ge (string replace + '' $argv[2]); or return 1
    else
      test $place -eq $argv[2]; or return 1
    end
  end
  if set -q argv[3]
    test "$job" = "$argv[3]"; or return 1
  end
  return 0
end
complete -c ${word} -f
${lines.join('\n')}
`;
}

function flagText({ name, about, value }: Flag, offered: (offer: Offer) => string): string {
  const text = `${name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`} -d ${quoted(about)}`;
  if (value === null) return text;
  return value === 'file' ? `${text} -r -F` : `${text} -x -a ${quoted(offered(value))}`;
}

const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
