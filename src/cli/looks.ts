/** How things look on a terminal: colours by meaning, lines that fit, times and spans in words. */
import { styleText } from 'node:util';
import { wantsColour } from '../platform/colour.ts';
import { asTyped } from './output.ts';

type Meaning = 'bad' | 'doubtful' | 'good' | 'quiet' | 'strong';

const styles = { bad: 'red', doubtful: 'yellow', good: 'green', quiet: 'dim', strong: 'bold' } as const;

/** A text in the colour of its meaning, where colours are wanted. */
export function painted(meaning: Meaning, text: string): string {
  return wantsColour(process.stdout) ? styleText(styles[meaning], text) : text;
}

/** How wide lines may be; what is piped somewhere is not wrapped. */
export const widthOfTerminal = (): number => (process.stdout.isTTY ? Math.max(40, process.stdout.columns) : 10_000);

/** A text in lines that fit, all but the first so far in. */
export async function wrapped(text: string, indent: number): Promise<string> {
  const { default: wrap } = await import('wrap-ansi');
  return wrap(asTyped(text), widthOfTerminal() - indent, { hard: true }).replaceAll('\n', `\n${' '.repeat(indent)}`);
}

/** `12 s`, `4 min`, `3 h`, `2 d`. */
export function inWords(seconds: number | null): string {
  if (seconds === null) return '-';
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** Seconds since an instant; null for never. */
export const secondsSince = (at: number | null, now = Date.now()): number | null =>
  at === null ? null : Math.max(0, (now - at) / 1000);
