/** Ids of orders over processes: never the same twice, whatever the clocks do and whoever was stopped. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { Sessions } from '../../src/ledger/sessions.ts';
import { nodes, tableOfMerchant, tableOfOrder } from '../../src/payments/order-ids.ts';
import { OrderIds, type OrderIdsOptions } from '../../src/payments/order-nodes.ts';
import { LedgerWorld } from '../support/ledger-world.ts';

let world: LedgerWorld;
let sessions: Sessions;
beforeAll(async () => {
  world = await LedgerWorld.create(inject('servers'));
  sessions = new Sessions({ url: world.url, connections: 4, patienceMs: 5000, stallTimeoutMs: 60_000 });
});
afterAll(async () => {
  await sessions.close();
  await world.destroy();
});
beforeEach(() => world.session.write('DELETE FROM order_node'));

/** A process of its own, as far as ids go. */
const idsOf = (options: OrderIdsOptions = {}) => new OrderIds(sessions, options);

async function take(ids: OrderIds, count: number, merchant = 4711n): Promise<bigint[]> {
  const taken: bigint[] = [];
  for (let index = 0; index < count; index++) taken.push(await ids.next(merchant));
  return taken;
}

function expectAscending(ids: readonly bigint[]): void {
  expect(ids.findIndex((id, index) => index > 0 && id <= (ids[index - 1] as bigint))).toBe(-1);
}

/** All nodes but this one belong to somebody for a long time. */
async function leaveOneNode(node: number): Promise<void> {
  const others = Array.from({ length: nodes }, (_, other) => other).filter((other) => other !== node);
  const until = Date.now() + 3_600_000;
  await world.session.write(
    `INSERT INTO order_node (node, reserved_until) VALUES ${others.map((other) => `(${other}, ${until})`).join(',')}`,
  );
}

const source = (file: string) => JSON.stringify(new URL(`../../src/${file}`, import.meta.url).href);
/** Makes ids for merchants at random, and prints them in the order in which they were made; its clock may step back. */
const maker = `
  const { OrderIds } = await import(${source('payments/order-nodes.ts')});
  const { Sessions } = await import(${source('ledger/sessions.ts')});
  const [url, count, backMs] = process.argv.slice(1);
  const sessions = new Sessions({ url, connections: 2, patienceMs: 30000, stallTimeoutMs: 60000 });
  let offset = 0;
  const ids = new OrderIds(sessions, { clock: () => Date.now() - offset, stretchMs: 1000 });
  const made = [];
  for (let merchant = 1n; made.length < Number(count); ) {
    if (made.length % 8 === 0) merchant = BigInt(Math.floor(Math.random() * 1e9) + 1);
    if (made.length === count >> 1) offset = Number(backMs);
    made.push(await ids.next(merchant));
  }
  await sessions.close();
  process.stdout.write(made.join('\\n'));
`;

async function make(count: number, backMs: number): Promise<bigint[]> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', maker, world.url, String(count), String(backMs)],
    { maxBuffer: 16_000_000, cwd: root },
  );
  return stdout.split('\n').map(BigInt);
}

test('500,000 from 8 processes, the clocks of four stepping back by 3 s, are unique, and ascend in each', async () => {
  const made = await Promise.all(Array.from({ length: 8 }, (_, process) => make(62_500, process < 4 ? 3000 : 0)));
  for (const ids of made) expectAscending(ids);
  expect(new Set(made.flat()).size).toBe(500_000);
});

describe('one process', () => {
  test('makes ids that ascend, and from which the table of their merchant follows', async () => {
    const ids = idsOf();
    const made = await Promise.all(Array.from({ length: 500 }, (_, index) => ids.next(BigInt(index + 1))));
    expectAscending(made);
    for (const [index, id] of made.entries()) expect(tableOfOrder(id, 4)).toBe(tableOfMerchant(BigInt(index + 1), 4));
  });

  test('goes on from the last time where its clock steps back by 3 s', async () => {
    let back = 0;
    const ids = idsOf({ clock: () => Date.now() - back });
    const before = await take(ids, 100);
    back = 3000;
    expectAscending([...before, ...(await take(ids, 100))]);
  });

  test('makes none where its clock stepped back by more than 10 s, and says so', async () => {
    let back = 0;
    const ids = idsOf({ clock: () => Date.now() - back });
    await ids.next(1n);
    back = 12_000;
    await expect(ids.next(1n)).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringContaining('went back by 12 s'),
    });
    back = 0;
    await ids.next(1n);
  });

  test.each([
    ['ahead', 3_600_000],
    ['behind', -3_600_000],
  ])("makes none where its clock is far %s of the database's, and takes no node", async (_, off) => {
    await expect(idsOf({ clock: () => Date.now() + off }).next(1n)).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringContaining('3600 s apart'),
    });
    expect(await world.rows('SELECT COUNT(*) FROM order_node')).toEqual([['0']]);
  });

  test('never runs more than a second ahead of its clock', async () => {
    const start = Date.now();
    const ids = idsOf({ clock: () => start });
    const made = await Promise.race([take(ids, 64 * 1100), sleep(1500).then(() => null)]);
    expect(made).toBeNull();
  });

  test('keeps its node as long as nobody takes it', async () => {
    const ids = idsOf({ stretchMs: 20 });
    for (let round = 0; round < 4; round++) {
      await ids.next(1n);
      await sleep(25);
    }
    expect(await world.rows('SELECT COUNT(*) FROM order_node')).toEqual([['1']]);
  });
});

describe('two processes and one node', () => {
  const node = 7;
  const nodeOf = (id: bigint) => Number((id >> 6n) & 1023n);

  test('the second gets none while the first has it', async () => {
    await leaveOneNode(node);
    expect(nodeOf(await idsOf().next(1n))).toBe(node);
    await expect(idsOf().next(1n)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('all 1024'),
    });
  });

  test('the second begins behind the first, which was stopped and makes no id of what is not its own', async () => {
    await leaveOneNode(node);
    const [first, second] = [idsOf({ stretchMs: 50 }), idsOf({ stretchMs: 60_000 })];
    const before = await take(first, 20);
    await sleep(60);
    const after = await take(second, 20);
    expect(after.map(nodeOf)).toEqual(after.map(() => node));
    expectAscending([...before, ...after]);
    await expect(first.next(4711n)).rejects.toMatchObject({ message: expect.stringContaining('all 1024') });
  });

  test('one that was stopped takes another node, where there is one, and its ids ascend', async () => {
    await leaveOneNode(node);
    const [first, second] = [idsOf({ stretchMs: 50 }), idsOf({ stretchMs: 60_000 })];
    const before = await take(first, 20);
    await sleep(60);
    const others = await take(second, 20);
    await world.session.write('DELETE FROM order_node WHERE node = 3');
    const after = await take(first, 20);
    expect(nodeOf(after[0] as bigint)).toBe(3);
    expectAscending([...before, ...after]);
    expect(new Set([...before, ...others, ...after]).size).toBe(60);
  });

  test('each that takes a node in the same moment has its own', async () => {
    const made = await Promise.all(Array.from({ length: 40 }, () => idsOf().next(1n)));
    expect(new Set(made.map(nodeOf)).size).toBe(40);
  });
});
