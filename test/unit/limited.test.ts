import { expect, test, vi } from 'vitest';
import { limited } from '../../src/payments/limited.ts';
import type { Limiter } from '../../src/payments/limiter.ts';
import type { Provider, ProviderName } from '../../src/payments/provider.ts';
import { UnavailableError } from '../../src/platform/errors.ts';

/** A provider that notes what was asked of it, behind a limiter that notes who asked for leave. */
function asked(name: ProviderName, leave: () => Promise<void> = async () => undefined) {
  const calls: string[] = [];
  const noting = (what: string) => () => {
    calls.push(what);
    return Promise.resolve();
  };
  const inner = Object.fromEntries(
    ['request', 'query', 'close', 'transfer', 'queryTransfer', 'statement', 'readNotice', 'reply'].map((what) => [
      what,
      noting(what),
    ]),
  );
  const limiter = {
    leave: vi.fn((whose: string) => {
      calls.push(`leave of ${whose}`);
      return leave();
    }),
  } as unknown as Limiter;
  return { provider: limited({ name, ...inner } as unknown as Provider, limiter), calls };
}

test.each(['request', 'query', 'close', 'transfer', 'queryTransfer', 'statement'] as const)(
  '%s waits for leave first',
  async (what) => {
    const { provider, calls } = asked('wechat');
    await provider[what](1n as never);
    expect(calls).toEqual(['leave of wechat', what]);
  },
);

test.each(['readNotice', 'reply'] as const)('%s asks nobody, and needs no leave', async (what) => {
  const { provider, calls } = asked('wechat');
  await provider[what](true as never);
  expect(calls).toEqual([what]);
});

test("Alipay's payment request is made here, and needs no leave", async () => {
  const { provider, calls } = asked('alipay');
  await provider.request({} as never);
  expect(calls).toEqual(['request']);
});

test('without leave nothing is asked, which is no answer of the provider', async () => {
  const refusal = new UnavailableError('Redis cannot be reached');
  const { provider, calls } = asked('alipay', () => Promise.reject(refusal));
  await expect(provider.query(1n)).rejects.toBe(refusal);
  expect(calls).toEqual(['leave of alipay']);
});
