/**
 * A day's reconciliation for people: a CSV of all differences, and a page that says in a minute what is wrong and what to
 * do. Functions of plain data; writing them anywhere is the caller's.
 *
 * Money is shown in yuan, exactly. Text in a CSV that a spreadsheet would take for a formula gets an apostrophe before it.
 */
import type { Difference, Outcome, Side } from './outcome.ts';
import { decimal } from './yuan.ts';

/** What an outcome means, and what to do about it. */
export const meanings: Readonly<Record<Outcome, { readonly what: string; readonly next: string }>> = {
  local_only: {
    what: 'We booked it; they do not know it.',
    next: 'Look it up at the counterpart. If it never happened there, take it back with a new bill.',
  },
  channel_only: {
    what: 'They booked it; we do not know it.',
    next: 'Find the order. If the money moved, book it; if the order is not ours, ask the counterpart.',
  },
  amount: {
    what: 'Both booked it, with other amounts.',
    next: 'Find out which amount is right, and book the difference as a new bill.',
  },
  fee: {
    what: 'The amounts agree, the fees do not.',
    next: 'Compare the rate with the contract, then correct the fee on our side or claim it back.',
  },
  status: {
    what: 'One side says that it succeeded, the other that it did not.',
    next: 'Ask the counterpart for its final state, then resolve the bill accordingly.',
  },
  duplicate: {
    what: 'One side has the same row more than once.',
    next: 'Find out whether money moved twice. If so, pay it back; if not, ask for a corrected statement.',
  },
  pending_cutoff: {
    what: 'Near midnight, and only one side has it so far.',
    next: 'Nothing: it waits up to three days for its other half.',
  },
  resolved: { what: 'Settled by a later day or by a person.', next: 'Nothing.' },
};

/** A difference as it is kept, with who settled it. */
export interface ReportedDifference extends Difference {
  readonly detail: string | null;
  readonly resolvedBy: string | null;
}

const columns = [
  'reference',
  'direction',
  'outcome',
  'local_amount',
  'channel_amount',
  'local_fee',
  'channel_fee',
  'local_status',
  'channel_status',
  'local_time',
  'channel_time',
  'local_entries',
  'channel_entries',
  'detail',
  'resolved_by',
] as const;

/** The first line of the CSV; with a byte order mark, by which spreadsheets know UTF-8. */
export const csvHead = `\ufeff${columns.join(',')}\r\n`;

/** One difference as a line of the CSV, amounts in yuan. */
export function csvLine(difference: ReportedDifference): string {
  const { local, channel } = difference;
  const cells: readonly (string | null)[] = [
    text(difference.reference),
    difference.direction,
    difference.outcome,
    yuan(local?.amount),
    yuan(channel?.amount),
    yuan(local?.fee),
    yuan(channel?.fee),
    local?.status ?? null,
    channel?.status ?? null,
    local?.occurredAt ?? null,
    channel?.occurredAt ?? null,
    local === null ? null : String(local.entries),
    channel === null ? null : String(channel.entries),
    difference.detail === null ? null : text(difference.detail),
    difference.resolvedBy === null ? null : text(difference.resolvedBy),
  ];
  return `${cells.map((cell) => quoted(cell ?? '')).join(',')}\r\n`;
}

const text = (value: string) => (/^[=+\-@\t\r]/.test(value) ? `'${value}` : value);
const quoted = (cell: string) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
const yuan = (fen: bigint | null | undefined) => (fen === null || fen === undefined ? null : decimal(fen, 2));

/** Sums of the differences of one outcome. */
interface OutcomeTotal {
  readonly outcome: Outcome;
  readonly differences: number;
  /** In fen, over the sides that are there. */
  readonly local: bigint;
  readonly channel: bigint;
}

export interface DayReport {
  readonly counterpart: string;
  readonly day: string;
  /** When the page was made, with an offset. */
  readonly madeAt: string;
  /** Where the other side's rows came from. */
  readonly source: string;
  readonly localEntries: number;
  readonly channelEntries: number;
  readonly matched: number;
  readonly totals: readonly OutcomeTotal[];
  /** The first of them, open ones first; the CSV has all. */
  readonly differences: readonly ReportedDifference[];
}

const waiting: readonly Outcome[] = ['pending_cutoff', 'resolved'];

/** Whether a difference of this outcome waits for a person. */
const isOpen = (outcome: Outcome) => !waiting.includes(outcome);

/** The page: HTML without scripts and without anything from elsewhere. */
export function htmlPage(report: DayReport): string {
  const open = report.totals.filter(({ outcome }) => isOpen(outcome)).reduce((sum, each) => sum + each.differences, 0);
  const title = `${report.counterpart}, ${report.day}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reconciliation ${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>Reconciliation with ${escaped(title)}</h1>
<p class="verdict ${open === 0 ? 'good' : 'bad'}">${verdict(open, report)}</p>
<dl>
${fact('Our entries', count(report.localEntries))}
${fact('Their entries', count(report.channelEntries))}
${fact('Keys that agree', count(report.matched))}
${fact('Their side', escaped(report.source))}
${fact('Made', escaped(report.madeAt))}
</dl>
${report.totals.length === 0 ? '' : totalsTable(report.totals)}
${report.differences.length === 0 ? '' : differencesTable(report)}
</body>
</html>
`;
}

function verdict(open: number, { totals }: DayReport): string {
  if (open > 0) return `${count(open)} ${open === 1 ? 'difference waits' : 'differences wait'} for you.`;
  const pending = totals.find(({ outcome }) => outcome === 'pending_cutoff')?.differences ?? 0;
  if (pending > 0) return `Nothing to do. ${count(pending)} near midnight may still find their other half.`;
  return totals.length === 0 ? 'Both sides agree.' : 'Nothing to do: everything is settled.';
}

const fact = (name: string, value: string) => `<div><dt>${name}</dt><dd>${value}</dd></div>`;

function totalsTable(totals: readonly OutcomeTotal[]): string {
  const rows = totals.map(
    ({ outcome, differences, local, channel }) => `<tr class="${isOpen(outcome) ? 'open' : 'quiet'}">
<th scope="row">${outcome}</th><td class="number">${count(differences)}</td><td class="number">${money(local)}</td><td class="number">${money(channel)}</td>
<td>${meanings[outcome].what} <span>${meanings[outcome].next}</span></td></tr>`,
  );
  return `<h2>What was found</h2>
<table>
<thead><tr><th>Outcome</th><th class="number">Number</th><th class="number">Ours, yuan</th><th class="number">Theirs, yuan</th><th>What it means, what to do</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>`;
}

function differencesTable({ totals, differences }: DayReport): string {
  const all = totals.reduce((sum, total) => sum + total.differences, 0);
  const rows = differences.map(
    (difference) => `<tr class="${isOpen(difference.outcome) ? 'open' : 'quiet'}">
<th scope="row">${escaped(difference.reference)}${difference.direction === 'out' ? ' <small>out</small>' : ''}</th><td>${outcomeCell(difference)}</td>
${sideCells(difference.local)}
${sideCells(difference.channel)}
<td class="number">${apart(difference)}</td></tr>`,
  );
  const more =
    all > differences.length
      ? `<p>The first ${count(differences.length)} of ${count(all)}; the CSV beside this page has all.</p>`
      : '';
  return `<h2>Each of them</h2>
<table class="each">
<thead>
<tr><th rowspan="2">Reference</th><th rowspan="2">Outcome</th><th colspan="3">Ours</th><th colspan="3">Theirs</th><th rowspan="2" class="number">Ours less theirs</th></tr>
<tr><th class="number">Yuan</th><th class="number">Fee</th><th>State, time</th><th class="number">Yuan</th><th class="number">Fee</th><th>State, time</th></tr>
</thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
${more}`;
}

function outcomeCell({ outcome, detail, resolvedBy }: ReportedDifference): string {
  const by = resolvedBy === null ? '' : ` <small>by ${escaped(resolvedBy)}</small>`;
  return `${outcome}${by}${detail === null ? '' : `<small class="detail">${escaped(detail)}</small>`}`;
}

function sideCells(side: Side | null): string {
  if (side === null) return '<td colspan="3" class="none">nothing</td>';
  const times = side.entries > 1 ? ` <small>×${side.entries}</small>` : '';
  return `<td class="number">${money(side.amount)}</td><td class="number">${side.fee === null ? '' : money(side.fee)}</td><td>${side.status}${times} <small>${escaped(side.occurredAt)}</small></td>`;
}

function apart({ local, channel }: Difference): string {
  return money(
    (local?.status === 'success' ? local.amount : 0n) - (channel?.status === 'success' ? channel.amount : 0n),
  );
}

const grouped = (digits: string) => digits.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
const count = (value: number) => grouped(String(value));

/** Yuan with separators, as in `-1,234.50`. */
function money(fen: bigint): string {
  const [whole = '', fraction = ''] = decimal(fen, 2).split('.');
  return `${grouped(whole)}.${fraction}`;
}

function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const style = `
:root { color-scheme: light; --line: #d9dde3; --faint: #626b78; --bad: #b3261e; --good: #1c6b3a; }
* { box-sizing: border-box; }
body { margin: 2rem auto; max-width: 80rem; padding: 0 1.5rem; color: #1b1f24; background: #fff;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2.2rem 0 .6rem; font-size: 1.1rem; }
.verdict { margin: .4rem 0 1.4rem; font-size: 1.15rem; font-weight: 600; }
.bad { color: var(--bad); } .good { color: var(--good); }
dl { display: flex; flex-wrap: wrap; gap: .8rem 2.4rem; margin: 0; }
dl div { min-width: 0; } dt { color: var(--faint); font-size: .85rem; } dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { color: var(--faint); font-size: .85rem; font-weight: 500; vertical-align: bottom; }
tbody th { font-weight: 600; overflow-wrap: break-word; } tr.open > th { color: var(--bad); } tr.quiet { color: var(--faint); }
.number { text-align: right; white-space: nowrap; } .none { color: var(--faint); }
td span, small { color: var(--faint); } td span { display: block; } small { font-size: .85rem; white-space: nowrap; }
td small.detail { display: block; max-width: 12rem; white-space: normal; }
.each { font-size: .87rem; } .each th, .each td { padding: .35rem .45rem; }
.each tbody th { min-width: 10rem; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; padding: 0; font-size: 11px; } thead { display: table-header-group; } tr { break-inside: avoid; }
  @page { size: A4 landscape; margin: 12mm; } }
`;
