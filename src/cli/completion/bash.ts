/** Completion for bash 4 and later; the same walk over the words serves zsh. */
import type { Completed, Completions, Offer } from './model.ts';

export function bashScript({ word, commands, jobs, shards }: Completions): string {
  const name = functionName(word);
  return `# Completion of ${word} for bash, made by \`completion bash\`. Holds all it offers; make it anew after new jobs.
${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} flag= place=0 job= path= word skip= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == = ]]; then continue; fi
${walk(commands)}
  done
  if [[ $cur == = ]]; then cur=; fi
  local offer=
  if [[ -n $skip ]]; then
    case "$path $flag" in
${cases(valued(commands), jobs)}
    esac
  elif [[ $cur == -* ]]; then
    case "$path" in
${commands.map(({ path, flags }) => `      '${path}') offer='${flags.map((flag) => flag.name).join(' ')}' ;;`).join('\n')}
    esac
  else
    case "$path $place" in
${cases(placed(commands), jobs)}
    esac
  fi
  case "$offer" in
    @file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    @shard)
      case "$job" in
${shardCases(shards)}
        *) offer= ;;
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$offer" -- "$cur"))
}
complete -F ${name} ${word}
`;
}

export const functionName = (word: string): string => `_${word.replace(/\W/g, '_')}_completion`;

/** Shell code: takes `word` into account, in `path`, `place`, `job`, and `skip` where a flag waits for its value. */
export function walk(commands: readonly Completed[]): string {
  const paths = commands.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  const flags = valued(commands).map(([at]) => `'${at}'`);
  return `    if [[ -n $skip ]]; then skip=; continue; fi
    if [[ $word == -* ]]; then
      case "$path $word" in ${flags.join(' | ')}) skip=1; flag=$word ;; esac
      continue
    fi
    case "\${path:+$path }$word" in
      ${paths.join(' | ')}) path="\${path:+$path }$word" ;;
      *) place=$((place + 1)); job=\${job:-$word} ;;
    esac`;
}

/** What may stand where: `run --if-locked` → skip wait fail. */
export const valued = (commands: readonly Completed[]): (readonly [string, Offer])[] =>
  commands.flatMap(({ path, flags }) =>
    flags.flatMap(({ name, value }) => (value === null ? [] : [[`${path} ${name}`, value] as const])),
  );

/** What may stand in a place of a command: `run 0` → the jobs. */
export const placed = (commands: readonly Completed[]): (readonly [string, Offer])[] =>
  commands.flatMap(({ path, commands: names, offers, repeats }) =>
    names.length > 0
      ? [[`${path} 0`, names] as const]
      : offers.map(
          (offer, place) => [repeats && place === offers.length - 1 ? `${path} *` : `${path} ${place}`, offer] as const,
        ),
  );

export function cases(offers: readonly (readonly [string, Offer])[], jobs: readonly string[]): string {
  const lines = offers
    .filter(([, offer]) => offer !== 'nothing')
    .map(([at, offer]) => {
      const words = offer === 'job' ? jobs.join(' ') : typeof offer === 'string' ? `@${offer}` : offer.join(' ');
      return `      ${at.endsWith('*') ? `'${at.slice(0, -1)}'*` : `'${at}'`}) offer='${words}' ;;`;
    });
  return lines.length === 0 ? '      *) ;;' : lines.join('\n');
}

export const shardCases = (shards: Completions['shards']): string =>
  Object.entries(shards)
    .map(([job, names]) => `        '${job}') offer='${names.join(' ')}' ;;`)
    .join('\n');
