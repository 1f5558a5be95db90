import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { AlipaySdk } from 'alipay-sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NoticeError, type ProviderName } from '../../src/payments/provider.ts';
import { UnavailableError } from '../../src/platform/errors.ts';
import { type GatewayWorld, gatewayWorld, orderToPay, transferOf } from '../support/gateway.ts';

let world: GatewayWorld;
beforeAll(async () => {
  world = await gatewayWorld({ timeout: '2s' });
});
afterAll(() => world.close());

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

describe('a notice of Alipay', () => {
  const sdk = () =>
    new AlipaySdk({
      appId: world.settings.TIDEMARK_ALIPAY_APP_ID as string,
      privateKey: readFileSync(world.settings.TIDEMARK_ALIPAY_KEY_FILE as string, 'utf8'),
      keyType: 'PKCS8',
      alipayPublicKey: readFileSync(world.settings.TIDEMARK_ALIPAY_PUBLIC_KEY_FILE as string, 'utf8'),
    });
  const formIn = (body: Buffer) => Object.fromEntries(new URLSearchParams(body.toString()));

  test('is accepted by the official client, and tells the payment', async () => {
    const orderId = await paid('alipay');
    const message = world.gateway.notices.message(String(orderId));
    expect(sdk().checkNotifySignV2(formIn(message.body))).toBe(true);
    const notice = await world.provider('alipay').readNotice(message);
    expect(notice).toMatchObject({ about: 'order', orderId, answer: { state: 'paid', amount: 9900n }, nonce: null });
  });

  test('with any byte of a value changed is refused, by the official client and by us', async () => {
    const orderId = await paid('alipay');
    const { headers, body } = world.gateway.notices.message(String(orderId));
    for (const [field, value] of Object.entries(formIn(body))) {
      const changed = { ...formIn(body), [field]: value.replace(/^./u, (first) => (first === 'A' ? 'B' : 'A')) };
      const text = new URLSearchParams(changed).toString();
      await expect(world.provider('alipay').readNotice({ headers, body: Buffer.from(text) })).rejects.toThrow(
        NoticeError,
      );
      if (field !== 'sign_type') expect(sdk().checkNotifySignV2(changed)).toBe(false);
    }
  });

  test.each([
    ['no signature', (form: Record<string, string>) => ({ ...form, sign: '' })],
    ['an older kind of signature', (form: Record<string, string>) => ({ ...form, sign_type: 'RSA' })],
    ['a field more', (form: Record<string, string>) => ({ ...form, more: '1' })],
    ['nothing at all', () => ({})],
  ])('with %s is refused', async (_, change) => {
    const { headers, body } = world.gateway.notices.message(String(await paid('alipay')));
    const text = new URLSearchParams(change(formIn(body))).toString();
    await expect(world.provider('alipay').readNotice({ headers, body: Buffer.from(text) })).rejects.toThrow(
      NoticeError,
    );
  });

  test('tells a part that went back', async () => {
    const orderId = await paid('alipay');
    world.gateway.refunds(orderId, 100n);
    const notice = await world.provider('alipay').readNotice(world.gateway.notices.message(String(orderId)));
    expect(notice).toMatchObject({ answer: { state: 'refunded', amount: 9900n, refunded: 100n } });
  });

  test('of a payout names it', async () => {
    const { payoutId, ...transfer } = transferOf();
    await world.provider('alipay').transfer({ payoutId, ...transfer });
    const notice = await world.provider('alipay').readNotice(world.gateway.notices.message(String(payoutId)));
    expect(notice).toEqual({ about: 'payout', payoutId, nonce: null });
  });

  test('is answered with exactly success', () => {
    expect(world.provider('alipay').reply(true)).toMatchObject({ status: 200, body: 'success' });
    expect(world.provider('alipay').reply(false).body).not.toBe('success');
  });
});

describe('a notice of WeChat', () => {
  const messageOf = async (kind?: 'wrong-serial' | 'old' | 'forged') =>
    world.gateway.notices.message(String(await paid('wechat')), kind);
  const read = (message: { headers: Readonly<Record<string, string>>; body: Buffer }) =>
    world.provider('wechat').readNotice(message);

  test('tells the payment, and its nonce', async () => {
    const message = await messageOf();
    const nonce = message.headers['wechatpay-nonce'];
    expect(await read(message)).toMatchObject({ about: 'order', answer: { state: 'paid', amount: 9900n }, nonce });
  });

  test('has another nonce at every delivery', async () => {
    const orderId = String(await paid('wechat'));
    const { notices } = world.gateway;
    const nonces = [notices.message(orderId), notices.message(orderId)].map(
      ({ headers }) => headers['wechatpay-nonce'],
    );
    expect(new Set(nonces).size).toBe(2);
    expect(notices.message(orderId, 'replayed').headers['wechatpay-nonce']).toBe(nonces[1]);
  });

  test('with a wrong serial number is refused', async () =>
    expect(read(await messageOf('wrong-serial'))).rejects.toThrow(/signed with PUB_KEY_ID_0000, which we do not know/));

  test('of an hour ago is refused', async () =>
    expect(read(await messageOf('old'))).rejects.toThrow(/more than five minutes from ours/));

  test('with a changed byte is refused', async () =>
    expect(read(await messageOf('forged'))).rejects.toThrow(/whose signature is not right/));

  test.each(['wechatpay-timestamp', 'wechatpay-nonce', 'wechatpay-serial', 'wechatpay-signature'])(
    'without %s, or with two of it, is refused',
    async (name) => {
      const message = await messageOf();
      const { [name]: value = '', ...rest } = message.headers;
      await expect(read({ ...message, headers: rest })).rejects.toThrow(NoticeError);
      const twice = { headers: { ...rest, [name]: [value, value] }, body: message.body };
      await expect(world.provider('wechat').readNotice(twice)).rejects.toThrow(NoticeError);
    },
  );

  test('with the time or the nonce of another is refused', async () => {
    const [one, other] = [await messageOf(), await messageOf()];
    const headers = { ...one.headers, 'wechatpay-nonce': other.headers['wechatpay-nonce'] as string };
    await expect(read({ headers, body: one.body })).rejects.toThrow(/signature/);
    const later = { ...one.headers, 'wechatpay-timestamp': String(Number(one.headers['wechatpay-timestamp']) + 1) };
    await expect(read({ headers: later, body: one.body })).rejects.toThrow(/signature/);
  });

  test('of a refund tells how much of the order went back', async () => {
    const orderId = await paid('wechat');
    world.gateway.refunds(orderId);
    const notice = await read(world.gateway.notices.message(String(orderId)));
    expect(notice).toMatchObject({
      about: 'order',
      orderId,
      answer: { state: 'refunded', amount: 9900n, refunded: 9900n },
    });
  });

  test('of a payout names it', async () => {
    const transfer = transferOf();
    await world.provider('wechat').transfer(transfer);
    const notice = await read(world.gateway.notices.message(String(transfer.payoutId)));
    expect(notice).toMatchObject({ about: 'payout', payoutId: transfer.payoutId });
  });

  test('is answered with 204, or with a status and JSON that ask for it again', () => {
    expect(world.provider('wechat').reply(true)).toMatchObject({ status: 204, body: '' });
    const refused = world.provider('wechat').reply(false);
    expect(refused.status).toBe(500);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'FAIL' });
  });
});

describe.each(names)('the bill of %s', (name) => {
  const day = '2026-11-19';
  const at = Date.parse(`${day}T12:00:00+08:00`);
  const wholeHash = (content: Buffer) => createHash('sha1').update(gunzipSync(content)).digest('hex');

  test('of a day without one is none, and so it is while it is being made', async () => {
    expect(await world.provider(name).statement('2026-10-01')).toBeNull();
    await paid(name, at);
    world.gateway.bills.isHeld = true;
    expect(await world.provider(name).statement(day)).toBeNull();
    world.gateway.bills.isHeld = false;
  });

  test.each([null, 'late-address', 'damaged-bill'] as const)('comes whole, also after %s', async (fault) => {
    const orderId = await paid(name, at);
    if (fault !== null) world.gateway.faults.next(fault, 1, 'bill');
    const bill = await world.provider(name).statement(day);
    expect(bill?.ending).toBe(name === 'alipay' ? 'zip' : 'csv.gz');
    const content = bill?.content as Buffer;
    if (name === 'wechat') expect(wholeHash(content)).toMatch(/^[0-9a-f]{40}$/);
    if (name === 'wechat') expect(gunzipSync(content).toString()).toContain(`\`${orderId}`);
    else expect(content.subarray(0, 2).toString()).toBe('PK');
  });

  test.each([
    'late-address',
    'damaged-bill',
    'bad-signature',
    'no-signature',
    'unsigned-404',
    'timeout-after',
    'malformed',
    'limited',
  ] as const)('that does not come for %s, again and again, is not there now', async (fault) => {
    await paid(name, at);
    world.gateway.faults.next(fault, 2, 'bill');
    await expect(world.provider(name).statement(day)).rejects.toThrow(UnavailableError);
    world.gateway.faults.forget();
  });
});
