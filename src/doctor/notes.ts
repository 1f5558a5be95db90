/** What the engine's own checks warn of, kept as findings instead of written to a log. */
import { SetupError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { broken, doubtful, type Finding } from './check.ts';

export class Notes {
  readonly findings: Finding[] = [];
  readonly #why: string;

  /** @param why a warning matters */
  constructor(why: string) {
    this.#why = why;
  }

  /** Warnings and what is told to who asks: doctor asks. */
  get log(): Log {
    const note = (message: string, fields?: Readonly<Record<string, unknown>>) => {
      const next = fields?.next;
      this.findings.push(doubtful(message, this.#why, ...(typeof next === 'string' ? [next] : [])));
    };
    return { error: note, warn: note, info: note, debug: () => undefined, with: () => this.log };
  }

  /** Does a step of the engine's; what it refuses is broken. Null when it did. */
  async tried<Result>(step: () => Promise<Result>): Promise<Result | null> {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      this.findings.push(
        broken(error.message, 'the job refuses to run', ...(error.next === undefined ? [] : [error.next])),
      );
      return null;
    }
  }
}

/** What is found alike at several tables, as one finding with all that mends it. */
export function folded(found: readonly { readonly table: string; readonly finding: Finding }[]): Finding[] {
  const alike = new Map<string, { tables: string[]; finding: Finding; next: string[] }>();
  for (const { table, finding } of found) {
    const key = `${finding.state} ${finding.says.replaceAll(table, '')}`;
    const known = alike.get(key) ?? { tables: [], finding, next: [] };
    known.tables.push(table);
    known.next.push(...finding.next.filter((one) => !known.next.includes(one)));
    alike.set(key, known);
  }
  return [...alike.values()].map(({ tables, finding, next }) => ({
    ...finding,
    says: tables.length === 1 ? finding.says : `${finding.says} (and so it is with ${tables.slice(1).join(', ')})`,
    next,
  }));
}
