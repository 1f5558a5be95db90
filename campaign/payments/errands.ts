/** What shops ask for, drawn from a seed: orders of any size and patience, and payouts, now and then more than there is. */
import type { ProviderName } from '../../src/payments/provider.ts';
import type { Random } from '../random.ts';
import type { Errand } from './book.ts';

/** What every wallet begins with, in fen: enough for what is asked of it, but for what is meant to be too much. */
export const openingFen = 50_000_000n;

const orderFenMax = 50_000;
const payoutFenMax = 300_000;
const providers: readonly ProviderName[] = ['alipay', 'wechat'];

/** @param accounts how many there are, with the ids from 1 on */
export function drawErrand(random: Random, kind: Errand['kind'], key: string, accounts: number): Errand {
  const accountId = BigInt(1 + random.below(accounts));
  const provider = random.pick(providers);
  if (kind === 'order') {
    const amount = BigInt(1 + random.below(orderFenMax));
    return { kind, key, accountId, provider, amount, expiresInSeconds: 4 + random.below(20) };
  }
  const amount = random.chance(0.03) ? openingFen * 3n : BigInt(100 + random.below(payoutFenMax));
  const payee = `${provider === 'alipay' ? '2088' : 'o'}${String(accountId).padStart(12, '0')}`;
  return { kind, key, accountId, provider, amount, payee, taxRule: random.chance(0.5) ? 'labour-cn' : 'none' };
}
