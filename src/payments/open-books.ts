/** What the check works with: the books, and the queue of each provider, from settings. */

import { RedisLink } from '../platform/redis.ts';
import type { SettingName, SettingValue } from '../platform/settings.ts';
import type { DueBook } from './due.ts';
import { DueQueue } from './due-queue.ts';
import { Limiter } from './limiter.ts';
import type { ProviderName } from './provider.ts';

export const providerNames: readonly ProviderName[] = ['alipay', 'wechat'];

type SettingOf = <Name extends SettingName>(name: Name) => SettingValue<Name>;

interface Books {
  readonly books: readonly DueBook[];
  close(): Promise<void>;
}

/** @param limiter asked for leave before every request to a provider */
export type OpenBooks = (setting: SettingOf, limiter: Limiter) => Promise<Books>;

/** All that payments have to look at, at the providers of the settings: those that have none are not asked. */
export const openBooks: OpenBooks = async (setting, limiter) => {
  const { connectPayments } = await import('./open-payments.ts'); // for this job alone
  const { payments, payouts, close } = await connectPayments(setting, limiter);
  return { books: [payments.book(), payouts.book()], close };
};

interface Desk extends Books {
  readonly queues: ReadonlyMap<ProviderName, DueQueue>;
  /** Nobody gets leave any more: whoever waits for it fails. */
  drop(): void;
}

/** Opens the books. Redis is not connected to before it is used. @throws SetupError, UnavailableError */
export async function openDesk(open: OpenBooks, setting: SettingOf): Promise<Desk> {
  const link = new RedisLink(setting('REDIS_URL') as string);
  const prefix = setting('TIDEMARK_REDIS_PREFIX') as string;
  const perSecond = setting('TIDEMARK_PROVIDER_RATE') as number;
  const { books, close } = await open(setting, new Limiter({ link, prefix, perSecond }));
  return {
    books,
    queues: new Map(providerNames.map((provider) => [provider, new DueQueue(link, prefix, provider)])),
    drop: () => link.close(),
    async close() {
      link.close();
      await close();
    },
  };
}
