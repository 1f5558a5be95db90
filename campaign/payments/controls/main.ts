/**
 * A control as a process: `control <name>`. It pays out again and again for some seconds; with no time given, it only
 * brings to its end what was broken off. It ends with 1 at the first error.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger } from '../../../src/ledger/index.ts';
import type { Provider } from '../../../src/payments/provider.ts';
import { providerFrom } from '../../../src/payments/providers.ts';
import { Config } from '../../../src/platform/config.ts';
import { openAsApplication } from '../../sessions.ts';
import { callsInside } from './calls-inside.ts';
import { errorIsFailure } from './error-is-failure.ts';
import type { ControlName } from './list.ts';
import { type Control, goOn, type Payer } from './payer.ts';
import { trustsTheAnswer } from './trusts-the-answer.ts';

const passes: Readonly<Record<ControlName, Control>> = {
  'trusts-the-answer': trustsTheAnswer,
  'error-is-failure': errorIsFailure,
  'calls-inside': callsInside,
};

const { CONTROL_TARGET, CONTROL_MS } = process.env;
const accounts = Number(process.env.CONTROL_ACCOUNTS);
const fenMax = 1000;
/** Payouts at once. */
const lanes = 4;
/** Between two passes, so as not to load the servers. */
const pauseMs = Number(process.env.CONTROL_PAUSE_MS);
const settleMsMax = 20_000;

/** Ids that nobody else has: a control is one process at a time. */
let lastId = 0n;
function nextId(): bigint {
  const now = BigInt(Date.now()) * 1_000_000n;
  lastId = now > lastId ? now : lastId + 1n;
  return lastId;
}

async function pay(payer: Payer, control: Control): Promise<void> {
  const accountId = BigInt(1 + Math.floor(Math.random() * accounts));
  const amount = BigInt(10 + Math.floor(Math.random() * fenMax));
  await control(payer, { payoutId: nextId(), accountId, amount, billId: await payer.ledger.nextBillId() });
}

async function openPayer(provider: Provider): Promise<Payer> {
  const url = String(CONTROL_TARGET);
  const [target, notes] = [await openAsApplication(url), await openAsApplication(url)];
  return { target, notes, ledger: await Ledger.connect({ url, connections: 1 }), provider };
}

async function main(name: ControlName): Promise<void> {
  const config = Config.read();
  const provider = providerFrom('alipay', (setting) => config.get(setting));
  const payers = await Promise.all(Array.from({ length: lanes }, () => openPayer(provider)));
  const [first] = payers as [Payer];
  const isBare = name === 'calls-inside'; // what it has broken off is lost
  const isLast = Number(CONTROL_MS) === 0;
  const endAt = Date.now() + (isLast ? settleMsMax : Number(CONTROL_MS));
  if (!isBare) await goOn(first);
  while (isLast && !isBare && Date.now() < endAt && (await hasOpen(first))) await goOn(first);
  const lane = async (payer: Payer) => {
    for (; !isLast && Date.now() < endAt; await sleep(pauseMs)) await pay(payer, passes[name]);
  };
  await Promise.all(payers.map(lane));
}

async function hasOpen({ notes }: Payer): Promise<boolean> {
  return (await notes.tuples(`SELECT 1 FROM wanted WHERE state = 'begun' LIMIT 1`)).length > 0;
}

main(process.argv[2] as ControlName).then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error}\n`);
    process.exit(1);
  },
);
