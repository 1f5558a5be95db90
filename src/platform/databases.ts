/** The databases of the settings. Nothing connects before it is asked for: a job opens only what it uses. */
import type { Config } from './config.ts';
import { Session } from './mysql.ts';
import { RedisCopy } from './redis.ts';
import { type DatabaseName, databaseSettings } from './settings.ts';

export class Databases {
  readonly #config: Config;

  constructor(config: Config) {
    this.#config = config;
  }

  /**
   * A new connection, the caller's to close.
   *
   * @param answerLimitMs for who cannot wait as long as a job
   */
  open(name: DatabaseName, answerLimitMs?: number): Promise<Session> {
    const setting = databaseSettings[name];
    const stallTimeoutMs = this.#config.need('TIDEMARK_STALL_TIMEOUT');
    const limit = answerLimitMs === undefined ? {} : { answerLimitMs };
    const url = this.#config.need(setting) as string;
    const next = this.#config.isPrivate(setting) ? { next: 'tidemark local up' } : {};
    return Session.open({ url, label: name, setting, stallTimeoutMs, ...limit, ...next });
  }

  async redis(): Promise<RedisCopy> {
    return RedisCopy.open(this.#config.need('REDIS_URL') as string);
  }
}
