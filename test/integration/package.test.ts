/** Another program has tidemark as a dependency: it compiles against its types, and runs. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { payOrders } from '../../migrations/index.ts';
import { LedgerWorld } from '../support/ledger-world.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const program = `
import { type Answer, type Booked, Ledger } from 'tidemark/ledger';

const ledger = await Ledger.connect({ url: process.argv[2] ?? '', caller: 'shop' });
const accountId = 1n;
await ledger.openAccount(accountId);
await ledger.recharge({ billId: await ledger.nextBillId(), accountId, amount: 500n });
const answer: Answer<Booked> = await ledger.charge({ billId: await ledger.nextBillId(), accountId, amount: 120n });
console.log(answer.code === 0 ? String(answer.balance) : answer.reason);
await ledger.close();
`;
/** A provider that knows of no payment; it stands for one of the program's own. */
const shop = `
import { codes, Payments, type Provider } from 'tidemark/payments';

const nothing = { known: false, providerId: null, amount: null, refunded: null, paidAt: null, word: 'none' };
const provider: Provider = {
  name: 'alipay',
  request: async ({ orderId, amount }) => ({ provider: 'alipay', kind: 'address', content: \`/pay/\${amount}\` }),
  query: async () => ({ state: 'pending', ...nothing }),
  close: async () => undefined,
  transfer: async () => ({ state: 'unknown', providerId: null, amount: null, word: 'none' }),
  queryTransfer: async () => ({ state: 'unknown', providerId: null, amount: null, word: 'none' }),
  readNotice: async () => ({ about: 'other', nonce: null }),
  reply: (isTaken) => ({ status: isTaken ? 200 : 500, headers: {}, body: '' }),
  statement: async () => null,
};
const payments = await Payments.connect({ url: process.argv[2] ?? '', providers: [provider] });
const answer = await payments.createOrder({ merchantId: 1n, amount: 500n, subject: 'tea', provider: 'alipay', expiresInSeconds: 600 });
console.log(answer.code === codes.success ? answer.request.content : answer.reason);
const { status } = await payments.notice('alipay', { headers: {}, body: Buffer.from('') });
console.log(status);
await payments.close();
`;
const settings = {
  compilerOptions: { target: 'es2023', module: 'nodenext', strict: true, types: ['node'], outDir: 'out' },
};

let folder: string;
let world: LedgerWorld;
beforeAll(async () => {
  world = await LedgerWorld.create(inject('servers'));
  for (const { sql } of payOrders(4)) await world.session.write(sql);
  folder = await mkdtemp(join(tmpdir(), 'tidemark-package-'));
  await mkdir(join(folder, 'node_modules/@types'), { recursive: true });
  await symlink(repository, join(folder, 'node_modules/tidemark'));
  await symlink(join(repository, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(settings));
});
afterAll(async () => {
  await world.destroy();
  await rm(folder, { recursive: true });
});

const execute = (file: string, ...parameters: string[]) =>
  promisify(execFile)(process.execPath, [file, ...parameters], { cwd: folder });
const compile = () => execute(join(repository, 'node_modules/typescript/bin/tsc'), '-p', '.');

test('a program in TypeScript compiles and runs', async () => {
  await writeFile(join(folder, 'main.ts'), program);
  await compile();
  expect((await execute('out/main.js', world.url)).stdout).toBe('380\n');
});

test('a program that takes payments compiles and runs', async () => {
  await (await world.connect()).openAccount(1n);
  await writeFile(join(folder, 'main.ts'), shop);
  await compile();
  expect((await execute('out/main.js', world.url)).stdout).toBe('/pay/500\n200\n');
});

test('a number for money does not compile', async () => {
  await writeFile(join(folder, 'main.ts'), program.replace('500n', '500'));
  await expect(compile()).rejects.toMatchObject({
    stdout: expect.stringContaining("'number' is not assignable to type 'bigint'"),
  });
});
