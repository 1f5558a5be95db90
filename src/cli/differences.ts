/** `tidemark differences`: what reconcile-day found, for the person who clears it up. */
import { readCheckpoint } from '../engine/checkpoint.ts';
import type { Zone } from '../engine/zone.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { instantOf } from '../reconciliation/bills.ts';
import { writeReport } from '../reconciliation/day-report.ts';
import { findDifferences, type KeptDifference, resolveDifference } from '../reconciliation/difference-table.ts';
import type { Side } from '../reconciliation/outcome.ts';
import { openSurroundings, type Surroundings, withSession } from './app.ts';
import { confirm } from './confirm.ts';
import { print, printMoneyJson, printTable, yuan } from './output.ts';
import { operator, reasonOf } from './person.ts';

const job = 'reconcile-day';
const shards = ['ledger', 'initiator', 'alipay', 'wechat'];

interface Options {
  readonly day?: string;
  readonly all?: true;
  readonly limit: number;
  readonly reason?: string;
  readonly yes?: true;
  readonly json?: true;
}

export async function list(counterpart: string | undefined, options: Options): Promise<number> {
  if (counterpart !== undefined && !shards.includes(counterpart))
    throw new UsageError(`there is no counterpart "${counterpart}": there are ${shards.join(', ')}`);
  const day = options.day === undefined ? {} : { day: dayOf(options.day) };
  return inLedger(async (ledger, { zone }) => {
    const filter = { ...day, limit: options.limit, ...(counterpart === undefined ? {} : { counterpart }) };
    const found = await findDifferences(ledger, { ...filter, isOpen: options.all !== true });
    if (options.json) printMoneyJson(found.map((one) => asJson(one, zone)));
    else if (found.length === 0) print(options.all ? 'no differences' : 'no open differences');
    else await tellAll(found, options.limit);
  });
}

export async function show(id: string, { json }: { json?: true }): Promise<number> {
  return inLedger(async (ledger, { zone }) => {
    const [found] = await named(ledger, [id]);
    if (json) printMoneyJson(asJson(found as KeptDifference, zone));
    else tell(found as KeptDifference, zone);
  });
}

export async function resolve(ids: readonly string[], options: Options): Promise<number> {
  const why = reasonOf(options, `tidemark differences resolve ${ids.join(' ')}`);
  let question = '';
  await inLedger(async (ledger) => {
    const found = await named(ledger, ids);
    const closed = found.find(({ outcome }) => outcome === 'resolved');
    if (closed !== undefined)
      throw new UsageError(`difference ${closed.id} is resolved already`, `tidemark differences show ${closed.id}`);
    question = [...found.map(sentenceOf), `resolve ${found.length === 1 ? 'it' : 'them'}: ${why}`].join('\n');
  });
  // No connection waits for the answer: the server would close it after TIDEMARK_STALL_TIMEOUT.
  if (options.yes !== true && !(await confirm(question))) return exitCodes.done;
  return inLedger(async (ledger, surroundings) => {
    const who = operator('tidemark differences');
    for (const one of await named(ledger, ids)) await close(ledger, one, { who, why }, surroundings);
    const now = await named(ledger, ids);
    if (options.json) printMoneyJson(now.map((one) => asJson(one, surroundings.zone)));
    else for (const one of now) print(`difference ${one.id}: ${one.outcome}, by ${one.resolvedBy}`);
  });
}

/**
 * Closes one under the lock of its shard, so that no run that has read it as open writes it after that, and writes the
 * day's report anew.
 */
async function close(
  ledger: Session,
  { id, counterpart, day }: KeptDifference,
  by: { readonly who: string; readonly why: string },
  { config, zone }: Surroundings,
): Promise<void> {
  const folder = config.get('TIDEMARK_STATEMENTS');
  const iso = (utc: string) => zone.iso(instantOf(utc));
  await ledger.write('START TRANSACTION');
  await readCheckpoint(ledger, { job, shard: counterpart }, zone, true);
  const isClosed = await resolveDifference(ledger, String(id), by);
  if (isClosed && folder !== undefined) await writeReport(ledger, { folder, counterpart, day, iso });
  await ledger.write('COMMIT');
  if (!isClosed)
    throw new UsageError(`difference ${id} was resolved meanwhile, or is gone`, `tidemark differences show ${id}`);
}

async function inLedger(work: (ledger: Session, surroundings: Surroundings) => Promise<void>): Promise<number> {
  const surroundings = openSurroundings();
  surroundings.config.need('LEDGER_DATABASE_URL');
  await withSession(surroundings, 'ledger', (session) => work(session, surroundings));
  return exitCodes.done;
}

/** @throws UsageError for an id that is none, or that no difference has */
async function named(ledger: Session, ids: readonly string[]): Promise<KeptDifference[]> {
  const wrong = ids.find((id) => !/^[1-9]\d{0,14}$/.test(id));
  if (wrong !== undefined) throw new UsageError(`"${wrong}" is no id of a difference`, 'tidemark differences list');
  const found = await findDifferences(ledger, { ids, limit: ids.length });
  const missing = ids.find((id) => !found.some((one) => String(one.id) === id));
  if (missing === undefined) return found;
  throw new UsageError(`there is no difference ${missing}`, 'tidemark differences list --all');
}

function dayOf(text: string): string {
  if (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new UsageError(`--day "${text}" is no day`, '--day 2026-11-20');
}

async function tellAll(found: readonly KeptDifference[], limit: number): Promise<void> {
  const sum = (side: Side | null) => (side === null ? '-' : yuan(side.amount));
  await printTable(
    ['ID', 'DAY', 'COUNTERPART', 'REFERENCE', 'DIRECTION', 'OUTCOME', 'LOCAL', 'CHANNEL'],
    found.map((one) => [
      String(one.id),
      one.day,
      one.counterpart,
      one.reference,
      one.direction,
      one.outcome,
      sum(one.local),
      sum(one.channel),
    ]),
  );
  if (found.length === limit) print(`only the first ${limit} are shown; --limit shows more`);
  const { id } = found[0] as KeptDifference;
  print(
    `\nNext: tidemark differences show ${id}; when it is cleared up, tidemark differences resolve ${id} --reason "…"`,
  );
}

const sentenceOf = ({ id, counterpart, day, reference, direction, outcome }: KeptDifference): string =>
  `difference ${id} with ${counterpart} on ${day}: ${reference} (${direction}), ${outcome}`;

function tell(one: KeptDifference, zone: Zone): void {
  print(sentenceOf(one));
  for (const [name, side] of [
    ['local', one.local],
    ['channel', one.channel],
  ] as const)
    print(`  ${name.padEnd(8)} ${side === null ? 'nothing' : describe(side)}`);
  if (one.detail !== null) print(`  ${one.detail}`);
  print(`  found    ${isoOf(one.foundAt, zone)}`);
  if (one.otherHalfDay !== null) print(`  other half on ${one.otherHalfDay}`);
  if (one.resolvedBy !== null)
    print(`  resolved ${isoOf(one.resolvedAt, zone)} by ${one.resolvedBy}: ${one.resolution}`);
  if (one.outcome !== 'resolved')
    print(`  Next: book what is missing, then tidemark differences resolve ${one.id} --reason "…"`);
}

function describe({ amount, fee, status, occurredAt, entries }: Side): string {
  const fees = fee === null ? '' : `, fee ${yuan(fee)}`;
  return `${yuan(amount)} yuan${fees}, ${status}, ${occurredAt}${entries > 1 ? `, ${entries} entries` : ''}`;
}

const isoOf = (utc: string | null, zone: Zone): string => (utc === null ? '-' : zone.iso(instantOf(utc)));

function asJson({ id, foundAt, resolvedAt, ...one }: KeptDifference, zone: Zone) {
  const resolved = resolvedAt === null ? null : isoOf(resolvedAt, zone);
  return { id: Number(id), ...one, foundAt: isoOf(foundAt, zone), resolvedAt: resolved };
}
