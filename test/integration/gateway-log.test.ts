import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type GatewayWorld, gatewayWorld } from '../support/gateway.ts';

let world: GatewayWorld;
beforeAll(async () => {
  world = await gatewayWorld({ timeout: '1s' });
});
afterAll(() => world.close());

test.each(['alipay', 'wechat'] as const)(
  'the log tells when a request of %s was answered, or its client went away',
  async (name) => {
    const { log, faults } = world.gateway;
    const provider = world.provider(name);
    await provider.query(1n);
    await vi.waitFor(() => expect(log.at(-1)).toMatchObject({ id: '1', endedAt: expect.any(Number) }));
    faults.next('timeout-before');
    const heard = provider.query(2n);
    await vi.waitFor(() => expect(log.at(-1)).toMatchObject({ id: '2', endedAt: null }));
    await heard;
    await vi.waitFor(() => expect(log.at(-1)).toMatchObject({ id: '2', endedAt: expect.any(Number) }));
  },
);
