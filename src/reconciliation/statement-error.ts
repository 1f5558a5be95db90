/** Why a statement file is refused, as a whole: nothing of it may be used. */
export class StatementError extends Error {
  readonly file: string;
  /** Counted from 1; null when the file as a whole is wrong. */
  readonly line: number | null;
  readonly expected: string;
  readonly found: string;

  constructor(file: string, line: number | null, expected: string, found: string, cause?: unknown) {
    const shown = found.length > 80 ? `${found.slice(0, 80)}…` : found;
    super(
      `${file}${line === null ? '' : `, line ${line}`}: expected ${expected}, found ${shown}`,
      cause === undefined ? undefined : { cause },
    );
    this.name = 'StatementError';
    this.file = file;
    this.line = line;
    this.expected = expected;
    this.found = shown;
  }
}
