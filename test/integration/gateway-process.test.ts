import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { NoticeError, type ProviderName } from '../../src/payments/provider.ts';
import { providersFrom } from '../../src/payments/providers.ts';
import { Config } from '../../src/platform/config.ts';
import { type GatewayWorld, gatewayWorld, orderToPay, transferOf } from '../support/gateway.ts';

const names: readonly ProviderName[] = ['alipay', 'wechat'];

describe('the gateway as a process of its own', () => {
  let folder: string;
  let child: ChildProcess | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-gateway-'));
  });
  afterEach(async () => {
    if (child !== undefined) await stop(child, 'SIGKILL');
    rmSync(folder, { recursive: true });
  });

  async function start(...more: string[]) {
    const started = spawn(process.execPath, ['--import', 'tsx', 'src/sandbox/main.ts', '--folder', folder, ...more], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child = started;
    const [line] = await once(createInterface(started.stdout), 'line');
    const { address, settings } = JSON.parse(line) as { address: string; settings: Record<string, string> };
    const config = Config.read({ environment: settings, workingFolder: folder });
    const providers = providersFrom((name) => config.get(name));
    const control = async (verb: string, given?: object) => {
      const init = given === undefined ? {} : { method: 'POST', body: JSON.stringify(given) };
      const response = await fetch(`${address}/control/${verb}`, init);
      return { status: response.status, ...((await response.json()) as { answer?: unknown; error?: string }) };
    };
    return {
      address,
      control,
      provider: (name: ProviderName) => providers.get(name) as NonNullable<ReturnType<typeof providers.get>>,
    };
  }

  async function stop(of: ChildProcess, signal?: NodeJS.Signals) {
    if (of.exitCode !== null || of.signalCode !== null) return;
    const gone = once(of, 'exit');
    if (signal === undefined) of.stdin?.end();
    else of.kill(signal);
    await gone;
  }

  test('is controlled over HTTP, and shows its book and its log', async () => {
    const { control, provider } = await start();
    const order = orderToPay();
    const transfer = transferOf();
    await control('opens', { content: (await provider('alipay').request(order)).content });
    expect(await control('pays', { order: String(order.orderId) })).toMatchObject({ answer: true });
    expect(await control('refunds', { order: String(order.orderId), amount: '100n' })).toMatchObject({ answer: true });
    await control('decides', { payout: String(transfer.payoutId), fate: 'failed' });
    await provider('wechat').transfer(transfer);
    await control('fault', { fault: 'bad-signature', action: 'query' });
    expect((await provider('alipay').query(order.orderId)).state).toBe('unknown');
    expect(await control('book')).toMatchObject({
      answer: {
        trades: [{ orderId: String(order.orderId), amount: '9900n', state: 'paid', refunds: [{ amount: '100n' }] }],
        payouts: [{ payoutId: String(transfer.payoutId), amount: '50000n', fate: 'failed' }],
      },
    });
    expect((await control('log')).answer).toMatchObject([
      { provider: 'wechat', action: 'transfer', id: String(transfer.payoutId), fault: null },
      { provider: 'alipay', action: 'query', id: String(order.orderId), fault: 'bad-signature' },
    ]);
  });

  test('tells a mistake in what it is asked for', async () => {
    const { control } = await start();
    for (const [verb, given, status, error] of [
      ['pay', {}, 404, /expected one of book, log, /],
      ['fault', { fault: 'fire' }, 400, /there is no fault fire/],
      ['decides', { payout: '1', fate: 'lost' }, 400, /one of paid, failed, returned/],
      ['notice', { id: '1', kind: 'loud' }, 400, /there is no notice loud/],
    ] as const)
      expect(await control(verb, given)).toMatchObject({ status, error: expect.stringMatching(error) });
  });

  test('killed and started again, it is the same gateway with the same book', async () => {
    const first = await start();
    const order = orderToPay();
    await first.provider('wechat').request(order);
    await first.control('pays', { order: String(order.orderId) });
    await stop(child as ChildProcess, 'SIGKILL');
    const again = await start('--port', new URL(first.address).port);
    expect(again.address).toBe(first.address);
    expect(await first.provider('wechat').query(order.orderId)).toMatchObject({ state: 'paid', amount: 9900n });
  });

  test('a last line of its book that was cut off never was', async () => {
    const first = await start();
    const order = orderToPay();
    await first.provider('wechat').request(order);
    await first.control('pays', { order: String(order.orderId) });
    await stop(child as ChildProcess, 'SIGKILL');
    const file = join(folder, 'book.jsonl');
    truncateSync(file, readFileSync(file).length - 5);
    const again = await start();
    expect((await again.provider('wechat').query(order.orderId)).state).toBe('pending');
    await again.control('pays', { order: String(order.orderId) });
    expect((await again.provider('wechat').query(order.orderId)).state).toBe('paid');
  });

  test('ends with who started it', async () => {
    await start();
    await stop(child as ChildProcess);
    expect(child?.exitCode).toBe(0);
  });
});

const patience = { timeout: 20_000 };

describe('notices over the wire', () => {
  let world: GatewayWorld;
  let server: Server;
  let answers: boolean[];
  let seen: { name: ProviderName; outcome: string }[];

  beforeEach(async () => {
    [answers, seen] = [[], []];
    server = createServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece);
      const name = request.url?.split('/').at(-1) as ProviderName;
      const outcome = await world
        .provider(name)
        .readNotice({ headers: request.headers, body: Buffer.concat(pieces) })
        .then(
          (notice) => (notice.about === 'order' ? `${notice.orderId} ${notice.answer.state}` : notice.about),
          (error) => (error instanceof NoticeError ? 'refused' : 'failed'),
        );
      seen.push({ name, outcome });
      const { status, headers, body } = world.provider(name).reply(outcome !== 'refused' && (answers.shift() ?? true));
      response.writeHead(status, headers).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const noticeUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    world = await gatewayWorld({ noticeUrl, noticeDelaysMs: [0, 1000, 2000, 3000] });
  });
  afterEach(async () => {
    await world.close();
    server.closeAllConnections();
    server.close();
  });

  async function paid(name: ProviderName): Promise<bigint> {
    const order = orderToPay();
    world.gateway.opens((await world.provider(name).request(order)).content);
    world.gateway.pays(order.orderId);
    return order.orderId;
  }

  test.each(names)('%s sends one, and no more once it is taken', async (name) => {
    const orderId = await paid(name);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(seen).toEqual([{ name, outcome: `${orderId} paid` }]);
  });

  test.each(names)('%s sends it again until it is taken', async (name) => {
    answers = [false, false, true];
    const orderId = await paid(name);
    await vi.waitFor(() => expect(seen).toHaveLength(3), patience);
    expect(seen).toEqual([1, 2, 3].map(() => ({ name, outcome: `${orderId} paid` })));
  });

  test.each(['forged', 'wrong-serial', 'old'] as const)(
    'one that is %s is refused, and a right one follows',
    async (kind) => {
      const orderId = await paid('wechat');
      await vi.waitFor(() => expect(seen).toHaveLength(1), patience);
      world.gateway.notices.plan(String(orderId), kind);
      await vi.waitFor(() => expect(seen).toHaveLength(3), patience);
      expect(seen.map(({ outcome }) => outcome)).toEqual([`${orderId} paid`, 'refused', `${orderId} paid`]);
    },
  );
});
