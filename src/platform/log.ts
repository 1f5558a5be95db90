/**
 * The log: winston's, loaded with the first line that is to be written, so that a silent run does not pay for it.
 *
 * Lines go to stderr, or to a file; JSON unless a person is watching. What concerns a run goes, from level info on, into
 * the log of that run as well (run-logs.ts), whatever the level here. Secrets are masked before a line goes anywhere.
 * A disk that is full ends no run: it is told, and nothing more is written for a minute. `close` resolves when all lines are on disk.
 */
import { closeSync, createWriteStream, openSync, type WriteStream } from 'node:fs';
import type { Logger } from 'winston';
import type { Config } from './config.ts';
import { SetupError } from './errors.ts';
import { type Entry, entryOf, type Fields, jsonLine, type Level, personLine } from './log-line.ts';
import { Mask } from './masking.ts';
import { RunLogs } from './run-logs.ts';

export interface Log {
  error(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
  /** The same log with these fields on every line. */
  with(fields: Fields): Log;
}

/** After which a file that could not be written is tried again. */
const brokenMs = 60_000;

const severity: Record<Level, number> = { error: 0, warn: 1, info: 2, debug: 3 };

async function createWinston(level: Level, stream: NodeJS.WritableStream): Promise<Logger> {
  const { createLogger, format, transports } = (await import('winston')).default;
  // A line is ready when it comes here. winston's own transport to a file says nothing of a disk that is full, and never ends.
  return createLogger({
    level,
    format: format.printf(({ message }) => String(message)),
    transports: [new transports.Stream({ stream })],
  });
}

/** What a person reads: the time of day in the business zone. */
function forPeople(timeZone: string | undefined): (entry: Entry) => string {
  const zone = timeZone === undefined ? {} : { timeZone };
  const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium', ...zone });
  return (entry) => personLine(entry, time.format(new Date(entry.timestamp)));
}

interface More {
  readonly mask?: Mask;
  /** Null: runs have no logs of their own. */
  readonly runLogs?: RunLogs | null;
  /** For people: the zone of the times that they are shown. */
  readonly timeZone?: string;
}

export class LogWriter {
  readonly #level: Level;
  readonly #file: string | undefined;
  readonly #mask: Mask;
  readonly #runLogs: RunLogs | null;
  readonly #line: (entry: Entry) => string;
  #winston: Promise<Logger> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #stream: WriteStream | null = null;
  #brokenAt: number | null = null;

  constructor(level: Level, file: string | undefined, { mask = new Mask(), runLogs = null, timeZone }: More = {}) {
    this.#level = level;
    this.#file = file;
    this.#mask = mask;
    this.#runLogs = runLogs;
    const isWatched = file === undefined && process.stderr.isTTY === true;
    this.#line = isWatched ? forPeople(timeZone) : jsonLine;
    if (file === undefined) return;
    try {
      closeSync(openSync(file, 'a')); // told at once, and not with the first line
    } catch (error) {
      throw new SetupError(
        `TIDEMARK_LOG_FILE cannot be written: ${(error as Error).message}`,
        'tidemark config',
        error,
      );
    }
  }

  /**
   * The log as the settings want it.
   *
   * @param dryRun writes nothing anywhere, so it leaves no log of its own
   * @param level in place of that of the settings
   * @throws SetupError when the file cannot be written
   */
  static of(config: Config, { dryRun = false, level }: { dryRun?: boolean; level?: Level } = {}): LogWriter {
    return new LogWriter(level ?? config.need('TIDEMARK_LOG_LEVEL'), config.get('TIDEMARK_LOG_FILE'), {
      mask: new Mask(config.secrets),
      runLogs: dryRun ? null : RunLogs.of(config),
      timeZone: config.need('TIDEMARK_TIMEZONE'),
    });
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
    if (this.#isClosed) return;
    const runLogs = this.#runLogs;
    const { runId, job } = fields;
    const isWanted = severity[level] <= severity[this.#level];
    const isKept = typeof runId === 'string' && (isWanted || severity[level] <= severity.info);
    if (!isWanted && (!isKept || runLogs === null)) return;
    const entry = entryOf(this.#mask, level, message, fields);
    if (isWanted) this.#send(entry);
    const trouble = isKept && runLogs !== null ? runLogs.append(runId, entry) : null;
    if (trouble !== null) this.#send(entryOf(this.#mask, 'warn', trouble, { runId, job }));
  }

  #send(entry: Entry): void {
    if (severity[entry.level] > severity[this.#level]) return;
    if (this.#brokenAt !== null && Date.now() - this.#brokenAt < brokenMs) return;
    if (this.#brokenAt !== null) this.#winston = undefined; // a daemon lives for months: by now there may be room again
    this.#brokenAt = null;
    this.#winston ??= createWinston(this.#level, this.#open());
    const winston = this.#winston;
    this.#last = this.#last.then(async () => (await winston).log({ level: entry.level, message: this.#line(entry) }));
  }

  #open(): NodeJS.WritableStream {
    if (this.#file === undefined) return process.stderr;
    this.#stream = createWriteStream(this.#file, { flags: 'a' }).on('error', ({ message }) => {
      this.#brokenAt = Date.now(); // nobody's run may end by it
      process.stderr.write(`tidemark: TIDEMARK_LOG_FILE cannot be written any more: ${message}\n`);
    });
    return this.#stream;
  }

  /** What is told after this, by work that its run has dropped, is not written any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#last, this.#runLogs?.close()]);
    const winston = await this.#winston;
    if (winston === undefined) return;
    await new Promise<void>((resolve) => {
      winston.once('finish', resolve);
      winston.end();
    });
    const stream = this.#stream;
    if (stream === null || stream.closed) return;
    await new Promise<void>((resolve) => {
      stream.once('close', resolve); // behind an error, too
      stream.end();
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
