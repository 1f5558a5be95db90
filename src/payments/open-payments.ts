/**
 * Payments and payouts by the settings that tidemark's own commands go by: the providers that are set up, one limit of
 * requests with all other processes, notices of payouts told to payouts, one kind of ids.
 */
import { Config } from '../platform/config.ts';
import { RedisLink } from '../platform/redis.ts';
import type { SettingName, SettingValue } from '../platform/settings.ts';
import { limited } from './limited.ts';
import { Limiter } from './limiter.ts';
import { Payments } from './payments.ts';
import { Payouts } from './payouts.ts';
import { providersFrom } from './providers.ts';

type SettingOf = <Name extends SettingName>(name: Name) => SettingValue<Name>;

export interface OpenPayments {
  readonly payments: Payments;
  readonly payouts: Payouts;
  /** Waits for calls under way. */
  close(): Promise<void>;
}

/**
 * Opens them for a program: from the environment, `.env` and the settings of private servers, as for a command.
 *
 * @throws SetupError for settings that are missing or wrong; UnavailableError when the ledger's database cannot be reached
 */
export async function openPayments(
  options: { readonly environment?: Readonly<Record<string, string | undefined>> } = {},
): Promise<OpenPayments> {
  const config = Config.read(options);
  config.require(['LEDGER_DATABASE_URL', 'REDIS_URL']);
  const setting: SettingOf = (name) => config.get(name);
  const link = new RedisLink(config.need('REDIS_URL'));
  const limiter = limiterBy(setting, link);
  const opened = await connectPayments(setting, limiter);
  const close = async () => {
    await opened.close();
    link.close();
  };
  return { ...opened, close };
}

const limiterBy = (setting: SettingOf, link: RedisLink): Limiter =>
  new Limiter({
    link,
    prefix: setting('TIDEMARK_REDIS_PREFIX') as string,
    perSecond: setting('TIDEMARK_PROVIDER_RATE') as number,
  });

/** With a limiter of the caller's. */
export async function connectPayments(setting: SettingOf, limiter: Limiter): Promise<OpenPayments> {
  const providers = [...providersFrom(setting).values()].map((provider) => limited(provider, limiter));
  const options = { url: setting('LEDGER_DATABASE_URL') as string, providers };
  const payouts = await Payouts.connect({ ...options, nextId: (account) => payments.nextId(account) });
  let payments: Payments;
  try {
    payments = await Payments.connect({ ...options, payouts, tables: setting('TIDEMARK_ORDER_TABLES') as number });
  } catch (error) {
    await payouts.close();
    throw error;
  }
  return { payments, payouts, close: async () => void (await Promise.all([payments.close(), payouts.close()])) };
}
