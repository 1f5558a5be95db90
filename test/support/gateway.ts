/** A sandbox gateway in this process, and both providers as the settings make them, with the client libraries as they are. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OrderToPay, Provider, ProviderName, Transfer } from '../../src/payments/provider.ts';
import { providersFrom, type SettingOf } from '../../src/payments/providers.ts';
import { Config } from '../../src/platform/config.ts';
import { Gateway, type GatewayOptions } from '../../src/sandbox/gateway.ts';

export interface GatewayWorld {
  readonly gateway: Gateway;
  readonly settings: Readonly<Record<string, string>>;
  readonly settingOf: SettingOf;
  provider(name: ProviderName): Provider;
  close(): Promise<void>;
}

export interface GatewayWorldOptions extends Partial<GatewayOptions> {
  readonly noticeUrl?: string;
  /** How long the providers wait for an answer: short, since some faults never give one. */
  readonly timeout?: string;
}

export async function gatewayWorld(options: GatewayWorldOptions = {}): Promise<GatewayWorld> {
  const { noticeUrl = 'http://127.0.0.1:9/none', timeout = '1s', ...rest } = options;
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-gateway-'));
  const gateway = await Gateway.start({ folder, ratePerSecond: 1_000_000, ...rest });
  const settings = { ...gateway.settings(noticeUrl), TIDEMARK_PROVIDER_TIMEOUT: timeout };
  const config = Config.read({ environment: settings, workingFolder: folder });
  const settingOf: SettingOf = (name) => config.get(name);
  const providers = providersFrom(settingOf);
  return {
    gateway,
    settings,
    settingOf,
    provider: (name) => providers.get(name) as Provider,
    async close() {
      await gateway.stop();
      await rm(folder, { recursive: true });
    },
  };
}

let lastId = 7_100_000_000_000_000_000n;

/** A number that no order or payout had in this process. */
const freshId = (): bigint => ++lastId;

export function orderToPay(more: Partial<OrderToPay> = {}): OrderToPay {
  return {
    orderId: freshId(),
    amount: 9900n,
    subject: '月度会员充值',
    expiresAt: Date.now() + 900_000,
    clientAddress: '203.0.113.7',
    ...more,
  };
}

export function transferOf(more: Partial<Transfer> = {}): Transfer {
  return { payoutId: freshId(), amount: 50_000n, payee: '2088101117955611', payeeName: '津水', title: '佣金', ...more };
}
