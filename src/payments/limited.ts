import type { Limiter } from './limiter.ts';
import type { Provider } from './provider.ts';

/**
 * A provider that waits for leave before each request. Where the limiter gives none, its UnavailableError is thrown: nothing
 * was asked, so `unknown` would not be true.
 */
export function limited(provider: Provider, limiter: Limiter): Provider {
  const { name } = provider;
  const leave = () => limiter.leave(name);
  return {
    name,
    async request(order) {
      if (name !== 'alipay') await leave(); // Alipay's is an address that we sign ourselves: nothing is sent
      return provider.request(order);
    },
    async query(orderId) {
      await leave();
      return provider.query(orderId);
    },
    async close(orderId) {
      await leave();
      return provider.close(orderId);
    },
    async transfer(transfer) {
      await leave();
      return provider.transfer(transfer);
    },
    async queryTransfer(payoutId) {
      await leave();
      return provider.queryTransfer(payoutId);
    },
    async statement(day) {
      await leave();
      return provider.statement(day);
    },
    readNotice: (request) => provider.readNotice(request),
    reply: (isTaken) => provider.reply(isTaken),
  };
}
