/** Ways to pay out that are known to be wrong: the checker that passes ours must catch each of them. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { type BillContent, insertBill } from '../../src/ledger/bill.ts';
import { processBill } from '../../src/ledger/process.ts';
import { insertPayout } from '../../src/payments/payout-record.ts';
import type { Provider, TransferAnswer } from '../../src/payments/provider.ts';
import { Session } from '../../src/platform/mysql.ts';
import { answer, Bank, heardAs, type Plan } from '../support/payout-bank.ts';
import { disagreements, PayoutWorld, wealth } from '../support/payout-world.ts';

let world: PayoutWorld;
beforeAll(async () => {
  world = await PayoutWorld.create(inject('servers'));
});
afterAll(() => world.destroy());
beforeEach(() => {
  world.bank = new Bank();
});

/** A payout through a bank that is heard wrongly. @returns what the checker says of it */
async function pay(plan: Partial<Plan>, heard: (bank: Bank) => Partial<Provider>): Promise<string[]> {
  world = await freshWorld();
  world.bank.plan(plan);
  const payouts = await world.payouts(heardAs(world.bank, heard(world.bank)));
  await world.held(payouts);
  await world.untilPeace(payouts);
  return disagreements(world, world.bank);
}

async function freshWorld(): Promise<PayoutWorld> {
  await world.destroy();
  return PayoutWorld.create(inject('servers'));
}

const faithfully = () => ({});

function trustingTheTransfer(bank: Bank): Partial<Provider> {
  let told: TransferAnswer = answer('missing', null);
  return {
    transfer: async (transfer) => {
      told = await bank.transfer(transfer);
      return told;
    },
    queryTransfer: async () => told,
  };
}

const takingSilenceForFailure = (bank: Bank): Partial<Provider> => ({
  queryTransfer: async (payoutId) => {
    const told = await bank.queryTransfer(payoutId);
    return told.state === 'unknown' ? { ...told, state: 'failed' } : told;
  },
});

/** What the provider does not know may still be on its way to it. */
function takingMissingForFailure(bank: Bank): Partial<Provider> {
  let late: (() => Promise<unknown>) | null = null;
  return {
    transfer: async (transfer) => {
      late = () => bank.transfer(transfer);
      return answer('unknown', null);
    },
    queryTransfer: async (payoutId) => {
      const told = await bank.queryTransfer(payoutId);
      await late?.();
      return told.state === 'missing' ? { ...told, state: 'failed' } : told;
    },
  };
}

const sendingUnderNewIds = (bank: Bank): Partial<Provider> => ({
  transfer: (transfer) =>
    bank.transfer({ ...transfer, payoutId: transfer.payoutId + BigInt(bank.transfers.length + 1) }),
});

const sendingOtherContent = (bank: Bank): Partial<Provider> => ({
  transfer: (transfer) => bank.transfer({ ...transfer, title: `try ${bank.transfers.length}` }),
});

describe.each([
  ['the transfer is told to have succeeded, and failed', { told: 'success', fate: 'failed' } as const],
  ['the transfer is told to have failed, and succeeded', { told: 'failure' } as const],
  ['the provider is silent', { told: 'nothing', unknown: 2 } as const],
  ['the first transfer is lost', { told: 'nothing', lost: 1 } as const],
])('%s', (_, plan) => {
  test('and the checker has nothing to say of our way', async () => {
    expect(await pay(plan, faithfully)).toEqual([]);
  });
});

test.each([
  [
    'believing what the transfer answers, that it was paid',
    { told: 'success', fate: 'failed' },
    trustingTheTransfer,
    'is paid, and the bank says failed',
  ],
  [
    'believing what the transfer answers, that it failed',
    { told: 'failure' },
    trustingTheTransfer,
    'is failed, and the bank says paid',
  ],
  ['taking silence for failure', { unknown: 2 }, takingSilenceForFailure, 'is failed, and the bank says paid'],
  ['giving up what is on its way', {}, takingMissingForFailure, 'is failed, and the bank says paid'],
  ['sending again under another id', {}, sendingUnderNewIds, 'the bank has payout'],
] as const)('%s is caught', async (_, plan, heard, complaint) => {
  expect((await pay(plan, heard).catch(() => disagreements(world, world.bank))).join('\n')).toContain(complaint);
});

test('sending again with other content is caught', async () => {
  world = await freshWorld();
  world.bank.plan({ pending: 100 });
  const forgetful = { ...sendingOtherContent(world.bank), queryTransfer: async () => answer('missing', null) };
  const payouts = await world.payouts(heardAs(world.bank, forgetful));
  const { payoutId } = await world.held(payouts);
  for (let look = 0; look < 2; look++) await payouts.book().look(payoutId);
  expect((await disagreements(world, world.bank)).join('\n')).toContain('with other content');
});

/** The hold, the call and the end in one transaction, as a program does it that knows no better. */
async function payInOneTransaction(accountId: bigint): Promise<void> {
  const [payoutId, billId, amount] = [await world.nextId(), await world.ledger.nextBillId(), 300_000n];
  const none = { caller: '', provider: null, orderId: null, fee: null, items: null, expiresInSeconds: null };
  const bill: BillContent = { ...none, billId, accountId, channel: 'hold', amount: 0n, heldChange: amount };
  const { url } = world.ledgers;
  const session = await Session.open({ url, label: 'ledger', setting: 'ledger', stallTimeoutMs: 60_000 });
  try {
    await session.write('START TRANSACTION');
    await insertBill(session, bill, { info: null, operator: null, clientAddress: null });
    await processBill(session, bill);
    await session.write(
      `INSERT INTO payout_claim (account_id, idempotency_key, content, payout_id, bill_id, tax) VALUES (${accountId}, '${payoutId}', '', ${payoutId}, ${billId}, 0)`,
    );
    const content = { payee: 'ann', payeeName: null, title: 'sales' };
    const sums = { gross: amount, tax: 0n, net: amount, taxRule: 'none' as const };
    const ids = { payoutId, accountId, billId, taxBillId: null };
    await insertPayout(session, { ...ids, ...sums, ...content, provider: 'alipay' }, null);
    await world.bank.transfer({ payoutId, amount, ...content });
    await session.write('COMMIT');
  } finally {
    session.destroy();
  }
}

test('calling inside the transaction is caught: the connection is lost, the payout forgotten, and the user asks again', async () => {
  world = await freshWorld();
  const accountId = await world.account();
  let isFirst = true;
  world.bank.onCall = (_, place) => {
    const isBroken = isFirst && place === 'answer lost';
    if (place === 'after') isFirst = false;
    if (isBroken) {
      isFirst = false;
      throw new Error('the connection was lost');
    }
  };
  await payInOneTransaction(accountId).catch(() => payInOneTransaction(accountId));
  const payouts = await world.payouts();
  await world.untilPeace(payouts).catch(() => undefined);
  const said = (await disagreements(world, world.bank)).join('\n');
  expect(said).toMatch(/the bank has payout \d+, and nobody else/);
});

test('a wallet that is a fen off is caught', async () => {
  world = await freshWorld();
  const payouts = await world.payouts();
  const { accountId } = await world.held(payouts);
  await world.untilPeace(payouts);
  await world.ledger.correct({
    billId: await world.ledger.nextBillId(),
    accountId,
    amount: 1n,
    operator: 'ann',
    info: 'nobody knows why',
  });
  expect(await disagreements(world, world.bank)).toEqual([
    `account ${accountId} has ${wealth - 299_999n}, and should have ${wealth - 300_000n}`,
  ]);
});
