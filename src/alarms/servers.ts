/** The servers that jobs need, each reached or not. One that does not answer is asked once more: a restart is no matter. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CheckpointCopies } from '../engine/checkpoint-copy.ts';
import type { Databases } from '../platform/databases.ts';
import { TidemarkError, UnavailableError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import type { RedisCopy } from '../platform/redis.ts';
import type { DatabaseName } from '../platform/settings.ts';
import { keyOf, type Matter } from './matter.ts';

const pauseMs = 3000;

export class Servers {
  /** Those that cannot be reached. */
  readonly matters: readonly Matter[];
  /** Null where Redis cannot be reached. */
  readonly copies: CheckpointCopies | null;
  readonly #sessions: ReadonlyMap<DatabaseName, Session>;

  private constructor(
    sessions: ReadonlyMap<DatabaseName, Session>,
    copies: CheckpointCopies | null,
    matters: readonly Matter[],
  ) {
    this.#sessions = sessions;
    this.copies = copies;
    this.matters = matters;
  }

  static async reach(databases: Databases, names: ReadonlySet<DatabaseName>, redisPrefix: string): Promise<Servers> {
    const sessions = new Map<DatabaseName, Session>();
    const matters: Matter[] = [];
    const missed = (name: string, gravity: Matter['gravity']) => (error: unknown) => {
      matters.push(unreachable(name, gravity, error));
    };
    const redis = attempt(() => databases.redis(), asUnavailable).catch(missed('redis', 'warning'));
    const opened = [...names].map((name) =>
      attempt(() => databases.open(name)).then((session) => sessions.set(name, session), missed(name, 'critical')),
    );
    const reached: RedisCopy | undefined = (await redis) ?? undefined;
    await Promise.all(opened);
    const copies = reached === undefined ? null : new CheckpointCopies(async () => reached, redisPrefix);
    await copies?.look({ job: '', shard: '' }, null, async () => null); // it closes what it has opened
    return new Servers(
      sessions,
      copies,
      matters.sort((a, b) => (a.key < b.key ? -1 : 1)),
    );
  }

  session(name: DatabaseName): Session | null {
    return this.#sessions.get(name) ?? null;
  }

  async close(): Promise<void> {
    await Promise.all([...[...this.#sessions.values()].map((session) => session.close()), this.copies?.close()]);
  }
}

async function attempt<Server>(
  open: () => Promise<Server>,
  explain: (error: unknown) => unknown = (error) => error,
): Promise<Server> {
  try {
    return await open();
  } catch (error) {
    if (!(explain(error) instanceof UnavailableError)) throw error;
    await sleep(pauseMs);
    return open().catch((again) => {
      throw explain(again);
    });
  }
}

const asUnavailable = (error: unknown): unknown =>
  error instanceof TidemarkError
    ? error
    : new UnavailableError(
        `Redis cannot be reached: ${(error as Error).message.replace(/[.]$/, '')}; runs go on, and what others read there is old`,
        'tidemark config, and look at REDIS_URL',
        error,
      );

function unreachable(name: string, gravity: Matter['gravity'], error: unknown): Matter {
  return {
    key: keyOf('unreachable', name),
    gravity,
    of: null,
    since: null,
    what: (error as Error).message,
    next: (error instanceof TidemarkError ? error.next : undefined) ?? 'tidemark config',
    cause: null,
  };
}
