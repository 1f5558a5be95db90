/**
 * The log: winston's, loaded with the first line that is to be written, so that a silent run does not pay for it.
 *
 * Lines go to stderr, or to a file; JSON unless a person is watching. `close` resolves when all lines are on disk.
 */
import { closeSync, openSync } from 'node:fs';
import type { Logger } from 'winston';
import { SetupError } from './errors.ts';

type Level = 'error' | 'warn' | 'info' | 'debug';
type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  error(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
  /** The same log with these fields on every line. */
  with(fields: Fields): Log;
}

const severity: Record<Level, number> = { error: 0, warn: 1, info: 2, debug: 3 };

async function createWinston(level: Level, file: string | undefined): Promise<Logger> {
  const { createLogger, format, transports } = (await import('winston')).default;
  const person = file === undefined && process.stderr.isTTY === true;
  const line = format.printf(({ timestamp, level: name, message, ...fields }) => {
    const rest = Object.entries(fields).filter(([, value]) => value !== undefined && value !== '');
    return `${timestamp} ${name.padEnd(5)} ${message}${rest.map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join('')}`;
  });
  return createLogger({
    level,
    format: format.combine(format.timestamp(), person ? line : format.json()),
    transports: [
      file === undefined ? new transports.Stream({ stream: process.stderr }) : new transports.File({ filename: file }),
    ],
  });
}

export class LogWriter {
  readonly #level: Level;
  readonly #file: string | undefined;
  #winston: Promise<Logger> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(level: Level, file: string | undefined) {
    this.#level = level;
    this.#file = file;
    if (file === undefined) return;
    try {
      closeSync(openSync(file, 'a')); // winston waits for ever for a file that it cannot open
    } catch (error) {
      throw new SetupError(
        `TIDEMARK_LOG_FILE cannot be written: ${(error as Error).message}`,
        'tidemark config',
        error,
      );
    }
  }

  log(fields: Fields = {}): Log {
    const at = (level: Level) => (message: string, more?: Fields) =>
      this.#write(level, message, { ...fields, ...more });
    return {
      error: at('error'),
      warn: at('warn'),
      info: at('info'),
      debug: at('debug'),
      with: (more) => this.log({ ...fields, ...more }),
    };
  }

  #write(level: Level, message: string, fields: Fields): void {
    if (this.#isClosed || severity[level] > severity[this.#level]) return;
    this.#winston ??= createWinston(this.#level, this.#file);
    const winston = this.#winston;
    this.#last = this.#last.then(async () => (await winston).log({ ...fields, level, message }));
  }

  /** What is told after this, by work that its run has dropped, is not written any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    const winston = await this.#winston;
    if (winston === undefined) return;
    await new Promise<void>((resolve) => {
      // A logger finishes before its file does; the file's own finish is what counts.
      const file = winston.transports.find((transport) => 'filename' in transport);
      (file ?? winston).once('finish', () => resolve());
      winston.end();
    });
  }
}

export const silentLog: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  with: () => silentLog,
};
