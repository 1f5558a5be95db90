/** A command of a crontab, as far as it must be understood to see what it starts: simple commands and their words. */

/**
 * The simple commands of a shell's line, each as its words. Redirections are left out. What is made by the shell
 * (variables, globs) stays as it is written; what stands inside of $(…) counts as a command.
 */
function simpleCommands(line: string): string[][] {
  const commands: string[][] = [[]];
  let word: string | null = null;
  let skipsNext = false;
  const endWord = () => {
    if (word !== null && !skipsNext) commands.at(-1)?.push(word);
    if (word !== null) skipsNext = false;
    word = null;
  };
  for (const [token] of line.matchAll(
    /\\.|'[^']*'|"(?:\\.|[^"\\])*"|\d*[<>]+&?-?\d*|\$\(|[;&|()`\n]|\s+|[^\s;&|()`'"\\<>$]+|./g,
  )) {
    if (/^\s+$/.test(token) && token !== '\n') endWord();
    else if (/^\d*[<>]/.test(token)) {
      endWord();
      skipsNext = !/&\d*-?$/.test(token);
    } else if (/^(\$\(|[;&|()`\n])$/.test(token)) {
      endWord();
      commands.push([]);
    } else word = (word ?? '') + bare(token);
  }
  endWord();
  return commands.filter((words) => words.length > 0);
}

function bare(token: string): string {
  if (token.startsWith("'") && token.length > 1) return token.slice(1, -1);
  if (token.startsWith('"') && token.length > 1) return token.slice(1, -1).replace(/\\(.)/g, '$1');
  return token.startsWith('\\') ? token.slice(1) : token;
}

/** One start of tidemark within a line. */
export interface TidemarkStart {
  /** As it is written: an absolute path, or a name that PATH must find. */
  readonly program: string;
  /** Behind it. */
  readonly words: readonly string[];
  /** What the line sleeps before. */
  readonly sleepSeconds: number;
}

export function tidemarkStarts(line: string): TidemarkStart[] {
  const starts: TidemarkStart[] = [];
  let sleepSeconds = 0;
  for (const words of simpleCommands(line)) {
    const at = words.findIndex((word) => /^(.*\/)?tidemark(\.[cm]?[jt]s)?$/.test(word));
    if (words[0] === 'sleep' && /^\d+$/.test(words[1] ?? '')) sleepSeconds += Number(words[1]);
    if (at >= 0) starts.push({ program: words[at] as string, words: words.slice(at + 1), sleepSeconds });
  }
  return starts;
}
