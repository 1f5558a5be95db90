/** Completion for zsh: the walk over the words is bash's, the answers are zsh's own, with what each means. */

import { cases, functionName, placed, shardCases, valued, walk } from './bash.ts';
import type { Completed, Completions } from './model.ts';

export function zshScript({ word, commands, jobs, shards }: Completions): string {
  const name = functionName(word);
  return `#compdef ${word}
# Completion of ${word} for zsh, made by \`completion zsh\`. Holds all it offers; make it anew after new jobs.
${name}() {
  local cur=$words[CURRENT] flag= place=0 job= path= word skip= i offer=
  local -a told
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
${walk(commands).replaceAll('path', 'at')}
  done
  if [[ -n $skip ]]; then
    case "$at $flag" in
${cases(valued(commands), jobs)}
    esac
  elif [[ $cur == -* ]]; then
    case "$at" in
${commands.map((command) => `      '${command.path}') told=(${flagsOf(command)}) ;;`).join('\n')}
    esac
    _describe -o option told
    return
  else
    case "$at $place" in
${commandCases(commands)}
${cases(placed(commands.filter((command) => command.commands.length === 0)), jobs)}
    esac
  fi
  if (( $#told )); then _describe command told; return; fi
  case "$offer" in
    @file) _files; return ;;
    @shard)
      case "$job" in
${shardCases(shards)}
        *) offer= ;;
      esac ;;
  esac
  compadd -- \${=offer}
}
if [[ $funcstack[1] == _${word} ]]; then ${name} "$@"; else compdef ${name} ${word}; fi
`.replace('job= path= word', 'job= at= word');
}

const flagsOf = ({ flags }: Completed) => flags.map(({ name, about }) => told(name, about)).join(' ');

function commandCases(commands: readonly Completed[]): string {
  const aboutOf = (path: string) => commands.find((command) => command.path === path)?.about ?? '';
  return commands
    .filter((command) => command.commands.length > 0)
    .map(({ path, commands: names }) => {
      const lines = names.map((name) => told(name, aboutOf(`${path} ${name}`.trim())));
      return `      '${path} 0') told=(${lines.join(' ')}) ;;`;
    })
    .join('\n');
}

const told = (name: string, about: string) => `'${name}:${about.replaceAll("'", "'\\''")}'`;
