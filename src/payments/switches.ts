/**
 * Switches of the business functions: off means that nothing new begins; what is under way comes to its end.
 *
 * Promises: when `set` has answered that a function is off, no transaction that begins one can commit any more: each
 * holds the switch's row, shared, until its end (`offReason`), and whoever turns it waits for them.
 */
import { checkText, firstOf } from '../ledger/arguments.ts';
import { connectSessions, withDefaults } from '../ledger/connecting.ts';
import type { Sessions } from '../ledger/sessions.ts';
import { SetupError, UsageError } from '../platform/errors.ts';
import type { Reader } from '../platform/mysql.ts';

export const switchNames = ['orders', 'payouts'] as const;
export type SwitchName = (typeof switchNames)[number];

export interface Switch {
  readonly name: SwitchName;
  readonly isOff: boolean;
  /** Why it is off; why it was turned on again, where that was told. */
  readonly reason: string | null;
  readonly who: string | null;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** How it is to be; to turn one off needs a reason. */
export interface Turn {
  readonly off: boolean;
  readonly reason?: string | undefined;
  readonly who: string;
}

export class Switches {
  readonly #sessions: Sessions;

  private constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  /** @throws UnavailableError when the server does not answer; SetupError when it refuses us or lacks the table */
  static async connect(options: { readonly url: string }): Promise<Switches> {
    const settings = withDefaults({ connections: 1, ...options });
    return new Switches(await connectSessions(settings, 'SELECT 1 FROM business_switch LIMIT 1'));
  }

  close(): Promise<void> {
    return this.#sessions.close();
  }

  async isOff(name: SwitchName): Promise<boolean> {
    return (await this.#sessions.run((session) => readSwitch(session, name))).isOff;
  }

  all(): Promise<Switch[]> {
    return this.#sessions.run((session) => Promise.all(switchNames.map((name) => readSwitch(session, name))));
  }

  /**
   * Turns one; turned so before, the first reason stays.
   *
   * @throws UsageError when the reason or the name of who does it is missing or too long; UnavailableError when somebody
   *   who begins something keeps it for longer than 10 s
   */
  async set(name: SwitchName, { off, reason, who }: Turn): Promise<Switch> {
    const mistake = firstOf(checkText('reason', reason, 255, off), checkText('who', who, 128, true));
    if (mistake !== null) throw new UsageError(mistake.reason);
    return this.#sessions.transaction(async (session) => {
      const was = await readSwitch(session, name, 'FOR UPDATE');
      if (was.isOff === off) return was;
      await session.write('UPDATE business_switch SET is_off = ?, reason = ?, who = ?, since = NOW() WHERE name = ?', [
        off ? 1 : 0,
        reason ?? null,
        who,
        name,
      ]);
      return readSwitch(session, name);
    });
  }
}

/**
 * Why nothing new may begin now; null where it may. Inside the transaction that begins it: the switch stays as it is
 * until that ends.
 */
export async function offReason(reader: Reader, name: SwitchName): Promise<string | null> {
  const { isOff, reason } = await readSwitch(reader, name, 'LOCK IN SHARE MODE');
  return isOff ? reason : null;
}

async function readSwitch(
  reader: Reader,
  name: SwitchName,
  lock: '' | 'FOR UPDATE' | 'LOCK IN SHARE MODE' = '',
): Promise<Switch> {
  const [row] = await reader.tuples(
    `SELECT is_off, reason, who, UNIX_TIMESTAMP(since) FROM business_switch WHERE name = ? ${lock}`,
    [name],
  );
  if (row === undefined) throw new SetupError(`the switch ${name} is not in business_switch`, 'tidemark migrate');
  const [isOff, reason, who, since] = row;
  const text = (value: typeof who) => (value === null || value === undefined ? null : String(value));
  return { name, isOff: Number(isOff) === 1, reason: text(reason), who: text(who), since: Number(since) * 1000 };
}
