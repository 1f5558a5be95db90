import { execFile, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProviderName } from '../../src/payments/provider.ts';
import { providerFrom } from '../../src/payments/providers.ts';
import { Config } from '../../src/platform/config.ts';
import { type GatewayWorld, gatewayWorld, orderToPay, transferOf } from '../support/gateway.ts';

let world: GatewayWorld;
beforeAll(async () => {
  world = await gatewayWorld({ timeout: '2s' });
});
afterAll(() => world.close());

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const names: readonly ProviderName[] = ['alipay', 'wechat'];

async function opened(name: ProviderName, more: Parameters<typeof orderToPay>[0] = {}): Promise<bigint> {
  const order = orderToPay(more);
  world.gateway.opens((await world.provider(name).request(order)).content);
  return order.orderId;
}

async function paid(name: ProviderName, at?: number): Promise<bigint> {
  const orderId = await opened(name);
  expect(world.gateway.pays(orderId, at)).toBe(true);
  return orderId;
}

describe.each(names)('an order at %s', (name) => {
  test('is paid with exactly its amount', async () => {
    const amount = 12_345_678_901n;
    const orderId = await opened(name, { amount });
    world.gateway.pays(orderId);
    expect(await world.provider(name).query(orderId)).toMatchObject({ state: 'paid', amount });
  });

  test('takes no money from its expiry on', async () => {
    const orderId = await opened(name, { expiresAt: Date.now() + 1500 });
    expect(world.gateway.book.trade(String(orderId))?.expiresAt).toBeLessThanOrEqual(Date.now() + 1500);
    expect(world.gateway.pays(orderId, Date.now() + 1500)).toBe(false);
  });

  test('that is refunded is told as refunded', async () => {
    const orderId = await paid(name);
    world.gateway.refunds(orderId);
    const refunded = name === 'alipay' ? 9900n : null; // WeChat does not say how much
    expect(await world.provider(name).query(orderId)).toMatchObject({ state: 'refunded', amount: 9900n, refunded });
  });

  test('that was closed cannot be paid', async () => {
    const orderId = await opened(name);
    await world.provider(name).close(orderId);
    expect(world.gateway.pays(orderId)).toBe(false);
    expect((await world.provider(name).query(orderId)).state).toBe('closed');
  });

  test('that was paid is not closed', async () => {
    const orderId = await paid(name);
    await world.provider(name).close(orderId);
    expect((await world.provider(name).query(orderId)).state).toBe('paid');
  });

  test('with a subject of any characters is taken', async () => {
    const subject = `${'充值/=&"\\😀'.repeat(60)}\ud800`;
    const orderId = await opened(name, { subject });
    expect((await world.provider(name).query(orderId)).known).toBe(true);
  });
});

describe.each(names)('a payout at %s', (name) => {
  test('that was never asked for is missing', async () => {
    expect((await world.provider(name).queryTransfer(transferOf().payoutId)).state).toBe('missing');
  });

  test('with no name of the payee is sent too', async () => {
    const transfer = transferOf({ payeeName: null });
    await world.provider(name).transfer(transfer);
    expect((await world.provider(name).queryTransfer(transfer.payoutId)).state).toBe('paid');
  });

  test('that fails is failed, with the reason', async () => {
    const transfer = transferOf();
    world.gateway.decides(transfer.payoutId, 'failed');
    await world.provider(name).transfer(transfer);
    const answer = await world.provider(name).queryTransfer(transfer.payoutId);
    expect(answer).toMatchObject({ state: 'failed', amount: 50_000n });
    expect(answer.word).toMatch(/^FAIL PAYEE_/);
  });
});

test('a payout of Alipay that was paid can come back', async () => {
  const transfer = transferOf();
  await world.provider('alipay').transfer(transfer);
  expect((await world.provider('alipay').queryTransfer(transfer.payoutId)).state).toBe('paid');
  world.gateway.decides(transfer.payoutId, 'returned');
  expect((await world.provider('alipay').queryTransfer(transfer.payoutId)).state).toBe('returned');
});

test('the gateway takes no signature but ours', async () => {
  const other = await gatewayWorld();
  try {
    const { TIDEMARK_ALIPAY_KEY_FILE = '', TIDEMARK_WECHAT_KEY_FILE = '' } = other.settings;
    const settings = { TIDEMARK_ALIPAY_KEY_FILE, TIDEMARK_WECHAT_KEY_FILE };
    for (const name of names) {
      const config = Config.read({ environment: { ...world.settings, ...settings }, workingFolder: '/' });
      const answer = await providerFrom(name, (setting) => config.get(setting)).query(1n);
      expect(answer).toMatchObject({ state: 'unknown', known: true });
      expect(world.gateway.log.at(-1)).toMatchObject({ provider: name, fault: 'refused' });
    }
  } finally {
    await other.close();
  }
});

describe.skipIf(!hasOpenssl)('an app of Alipay that signs with certificates', () => {
  const certificate = async (key: string, name: string) => {
    const file = `${key}.${name}.crt`;
    const subject = ['-subj', `/C=CN/O=Sandbox/CN=${name}`, '-days', '10', '-out', file];
    await promisify(execFile)('openssl', ['req', '-x509', '-new', '-key', key, ...subject]);
    return file;
  };
  const settingsWith = async () => {
    const { TIDEMARK_ALIPAY_KEY_FILE = '', TIDEMARK_ALIPAY_PUBLIC_KEY_FILE = '' } = world.settings;
    const provider = TIDEMARK_ALIPAY_PUBLIC_KEY_FILE.replace('-public-key.pem', '-key.pem');
    return {
      ...world.settings,
      TIDEMARK_ALIPAY_CERT_FILE: await certificate(TIDEMARK_ALIPAY_KEY_FILE, 'app'),
      TIDEMARK_ALIPAY_PUBLIC_KEY_FILE: await certificate(provider, 'alipay'),
      TIDEMARK_ALIPAY_ROOT_CERT_FILE: await certificate(provider, 'root'),
    };
  };
  const alipayWith = (environment: Record<string, string>) => {
    const config = Config.read({ environment, workingFolder: '/' });
    return providerFrom('alipay', (setting) => config.get(setting));
  };

  test('names them in its requests, and verifies with the one of Alipay', async () => {
    const alipay = alipayWith(await settingsWith());
    const order = orderToPay();
    const { content } = await alipay.request(order);
    expect(new URL(content).searchParams.get('app_cert_sn')).toMatch(/^[0-9a-f]{32}$/);
    expect(new URL(content).searchParams.get('alipay_root_cert_sn')).toMatch(/^[0-9a-f]{32}$/);
    expect(world.gateway.opens(content)).toBe(true);
    world.gateway.pays(order.orderId);
    expect((await alipay.query(order.orderId)).state).toBe('paid');
    const notice = await alipay.readNotice(world.gateway.notices.message(String(order.orderId)));
    expect(notice).toMatchObject({ about: 'order', orderId: order.orderId });
    world.gateway.faults.next('bad-signature');
    expect((await alipay.query(order.orderId)).state).toBe('unknown');
  });

  test('with one of them alone, of another key, or that is none, is told so', async () => {
    const settings = await settingsWith();
    const { TIDEMARK_ALIPAY_ROOT_CERT_FILE: root, ...rest } = settings;
    expect(() => alipayWith(rest)).toThrow(/TIDEMARK_ALIPAY_ROOT_CERT_FILE is missing/);
    expect(() => alipayWith({ ...settings, TIDEMARK_ALIPAY_CERT_FILE: root })).toThrow(
      /is the certificate of another key/,
    );
    const key = world.settings.TIDEMARK_ALIPAY_PUBLIC_KEY_FILE as string;
    expect(() => alipayWith({ ...settings, TIDEMARK_ALIPAY_PUBLIC_KEY_FILE: key })).toThrow(/holds no certificate/);
  });
});

describe('an answer of Alipay that was changed on its way', () => {
  const query = async (orderId: bigint, change: (body: string) => string) => {
    const between = createServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece);
      const headers = { 'content-type': String(request.headers['content-type']) };
      const answer = await fetch(`${world.gateway.address}${request.url}`, {
        method: 'POST',
        headers,
        body: new Uint8Array(Buffer.concat(pieces)),
      });
      response.end(change(await answer.text()));
    });
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
    const { port } = between.address() as AddressInfo;
    const environment = { ...world.settings, TIDEMARK_ALIPAY_GATEWAY: `http://127.0.0.1:${port}/gateway.do` };
    const config = Config.read({ environment, workingFolder: '/' });
    try {
      return await providerFrom('alipay', (setting) => config.get(setting)).query(orderId);
    } finally {
      between.closeAllConnections();
      between.close();
    }
  };
  const forged = (orderId: bigint) =>
    JSON.stringify({
      code: '10000',
      out_trade_no: String(orderId),
      trade_status: 'TRADE_SUCCESS',
      total_amount: '99.00',
    });

  test('and not at all: the truth', async () => {
    expect((await query(await opened('alipay'), (body) => body)).state).toBe('pending');
  });

  test.each<[string, (body: string, orderId: bigint) => string]>([
    [
      'a second answer behind the signed one',
      (body, id) => body.replace(/}$/, `,"alipay_trade_query_response":${forged(id)}}`),
    ],
    [
      'a second answer before the signed one',
      (body, id) => body.replace('{', `{"alipay_trade_query_response":${forged(id)},`),
    ],
    ['a false answer under the true signature', (body, id) => body.replace(/:{.*},"sign"/, `:${forged(id)},"sign"`)],
    ['another state', (body) => body.replace('WAIT_BUYER_PAY', 'TRADE_SUCCESS')],
    ['a false answer as an error', (body, id) => body.replace('{', `{"error_response":${forged(id)},`)],
  ])('by %s is never taken for a payment', async (_, change) => {
    const orderId = await opened('alipay');
    expect(['pending', 'unknown']).toContain((await query(orderId, (body) => change(body, orderId))).state);
  });

  test('in place of the answer about another order, is unknown', async () => {
    const [mine, other] = [await opened('alipay'), await paid('alipay')];
    let old = '';
    await query(other, (body) => {
      old = body;
      return body;
    });
    expect(await query(mine, () => old)).toMatchObject({ state: 'unknown', word: 'TRADE_SUCCESS of another order' });
  });
});

test.each(['America/Los_Angeles', 'Asia/Shanghai', 'UTC'])(
  'in a process with TZ=%s, Alipay is told the time in Beijing',
  async (TZ) => {
    const script = `
      const { Config } = await import('./src/platform/config.ts');
      const { providerFrom } = await import('./src/payments/providers.ts');
      const config = Config.read();
      const answer = await providerFrom('alipay', (name) => config.get(name)).query(1n);
      console.log(answer.word);`;
    const env = { ...process.env, ...world.settings, TZ };
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      env,
    });
    expect((await run).stdout.trim()).toBe('ACQ.TRADE_NOT_EXIST');
  },
);
