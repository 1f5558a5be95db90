/** What a run tells: JSON for scripts, a table on a terminal, a line on stderr for each thing a person must know. */
import type { JobResult, ShardResult } from '../engine/run.ts';
import type { Zone } from '../engine/zone.ts';
import { exitCodes } from '../platform/errors.ts';
import { counted, exitCodeOf, grouped, print, printJson, printTable, remark, sentenceOf } from './output.ts';

interface ReportOptions {
  readonly ifLocked: 'skip' | 'wait' | 'fail';
  readonly dryRun?: true;
  readonly repair?: true;
  /** Of a repair of some letters, the caller tells what became of them. */
  readonly letters?: ReadonlySet<number>;
}

const gravity: readonly number[] = [
  exitCodes.done,
  exitCodes.locked,
  exitCodes.waitsForPerson,
  exitCodes.failed,
  exitCodes.unavailable,
  exitCodes.settings,
  exitCodes.bug,
];

/** Of several exit codes the gravest counts; one that is not in the order (a usage error found late) counts most. */
export const graveness = (code: number): number => (gravity.includes(code) ? gravity.indexOf(code) : gravity.length);

export function exitCodeOfShard(shard: ShardResult, ifLocked: ReportOptions['ifLocked']): number {
  if (shard.outcome === 'locked') return ifLocked === 'fail' ? exitCodes.locked : exitCodes.done;
  if (shard.outcome === 'interrupted') return exitCodes.done; // a signal's code, and what a time limit asks for, is added by the caller
  if (shard.outcome === 'failed') return exitCodeOf(shard.error);
  const waits = shard.outcome === 'dead-letters' || shard.findings.length > 0 || shard.waiting !== null;
  return waits ? exitCodes.waitsForPerson : exitCodes.done;
}

export function reportJson({ job, runId, durationMs, shards }: JobResult, zone: Zone): void {
  const iso = (instant: number | null) => (instant === null ? null : zone.iso(instant));
  printJson({
    job,
    runId,
    outcome: overall(shards),
    durationMs,
    shards: shards.map(
      ({
        shard,
        from,
        to,
        checkpoint,
        heldBackBy,
        pause,
        lettersWaiting: _,
        leftDue: __,
        error,
        findings,
        waiting,
        totals,
        ...rest
      }) => ({
        shard: shard || null,
        ...rest,
        from: iso(from),
        to: iso(to),
        checkpoint: iso(checkpoint),
        ...(heldBackBy === null ? {} : { heldBackBy }),
        ...(pause === null ? {} : { pause: { ...pause, shard: pause.shard || null, since: iso(pause.since) } }),
        ...(error === null ? {} : { error: sentenceOf(error) }),
        ...(findings.length === 0 ? {} : { findings }),
        ...(waiting === null ? {} : { waiting: `${waiting.what}. Next: ${waiting.next}` }),
        ...totalsJson(totals),
      }),
    ),
  });
}

const outcomesByGravity = [
  'nothing-due',
  'done',
  'paused',
  'locked',
  'held-back',
  'interrupted',
  'dead-letters',
  'failed',
] as const;

function overall(shards: readonly ShardResult[]): string {
  return shards
    .map(({ outcome }) => outcome)
    .reduce((a, b) => (outcomesByGravity.indexOf(b) > outcomesByGravity.indexOf(a) ? b : a), 'nothing-due');
}

/** Of a shard. All of them are in the log of the run, and in its JSON. */
const findingsMax = 20;

/** One line on stderr for each failure, dead letter and finding; nothing when all is well. */
export function reportFailures({ job, runId, shards }: JobResult, options: ReportOptions): void {
  for (const shard of shards) {
    const title = shard.shard === '' ? job : `${job} ${shard.shard}`;
    const tell = (text: string) => remark(`${title}: ${text} (run ${runId})`);
    if (shard.outcome === 'failed') tell(`${failureText(shard.error, title)}`);
    if (shard.outcome === 'locked' && options.ifLocked === 'fail')
      tell(`another run holds the lock. Next: tidemark status ${job}`);
    // Told when a row is refused, and by a repair; every two minutes in between would be noise. The exit code says it always.
    const news = shard.deadLetters > 0 || options.repair === true || process.stderr.isTTY;
    if (shard.lettersWaiting > 0 && news && options.letters === undefined) tell(letterText(shard, job));
    // Told with the windows that found it, and on a terminal; the exit code says it always.
    if (shard.waiting !== null && (shard.windows > 0 || process.stderr.isTTY))
      tell(`${shard.waiting.what}. Next: ${shard.waiting.next}`);
    for (const { what, was, is } of shard.findings.slice(0, findingsMax))
      tell(`${what} was ${was}, is ${is}${options.dryRun ? '' : '; put right'}`);
    const more = shard.findings.length - findingsMax;
    if (more > 0) tell(`… and ${grouped(more)} more. Next: ${options.dryRun ? 'add --json' : `tidemark log ${runId}`}`);
  }
}

function letterText({ deadLetters, lettersWaiting }: ShardResult, job: string): string {
  const refused =
    deadLetters > 0 ? `${counted(deadLetters, 'row was', 'rows were')} refused, the others went on; ` : '';
  return `${refused}${counted(lettersWaiting, 'row waits as a dead letter', 'rows wait as dead letters')}. Next: tidemark dead-letters list ${job}`;
}

/** Without the title, which the line begins with. */
function failureText(error: unknown, title: string): string {
  const text = sentenceOf(error);
  return text.startsWith(`${title}: `) ? text.slice(title.length + 2) : text;
}

/** The sums that a job tells: on a terminal, and wherever nothing is written and they are all there is to see. */
export async function reportTotals({ shards }: JobResult): Promise<void> {
  const told = shards.flatMap(({ shard, totals }) =>
    [...totals].map(([what, sums]) => ({ shard: shard || '-', what, sums })),
  );
  if (told.length === 0) return;
  const columns = [...new Set(told.flatMap(({ sums }) => Object.keys(sums)))];
  const head = columns.map((name) => name.replace(/[A-Z]/g, ' $&').toUpperCase());
  const rows = told.map(({ shard, what, sums }) => [shard, what, ...columns.map((name) => textOf(sums[name]))]);
  await printTable(['SHARD', 'TOTAL', ...head], rows);
}

const textOf = (sum: number | bigint | undefined) => (sum === undefined ? '-' : grouped(sum));

/** Counts as numbers, fen as text. */
function totalsJson(totals: ShardResult['totals']): { totals?: Record<string, Record<string, number | string>> } {
  const told = [...totals].map(([what, sums]) => {
    const values = Object.entries(sums).map(([name, value]) => [
      name,
      typeof value === 'bigint' ? String(value) : value,
    ]);
    return [what, Object.fromEntries(values)];
  });
  return told.length === 0 ? {} : { totals: Object.fromEntries(told) };
}

/** For a person on a terminal. */
export async function reportSummary({ job, durationMs, shards }: JobResult, zone: Zone): Promise<void> {
  const columns: [head: string, cell: (shard: ShardResult) => string][] = [
    ['SHARD', ({ shard }) => shard || '-'],
    ['OUTCOME', ({ outcome }) => outcome],
    ['WINDOWS', ({ windows }) => grouped(windows)],
    ['READ', ({ read }) => grouped(read)],
    ['INSERTED', ({ inserted }) => grouped(inserted)],
    ['UPDATED', ({ updated }) => grouped(updated)],
    ['UNCHANGED', ({ unchanged }) => grouped(unchanged)],
    ['DEAD LETTERS', ({ deadLetters }) => grouped(deadLetters)],
    ['CHECKPOINT', ({ checkpoint }) => (checkpoint === null ? '-' : zone.text(checkpoint))],
  ];
  const widths = columns.map(([head, cell]) => Math.max(head.length, ...shards.map((shard) => cell(shard).length)));
  const width = widths.reduce((sum, one) => sum + one + 2, -2);
  // Where there is no room for all, a column of nothing but 0 says the least.
  const shown =
    width <= (process.stdout.columns ?? width)
      ? columns
      : columns.filter(([head, cell]) => head === 'READ' || shards.some((shard) => cell(shard) !== '0'));
  await printTable(
    shown.map(([head]) => head),
    shards.map((shard) => shown.map(([, cell]) => cell(shard))),
  );
  const held = shards.find((shard) => shard.heldBackBy !== null)?.heldBackBy;
  if (held) print(`held back: ${held.detail}`);
  print(`${job}: ${overall(shards)} in ${(durationMs / 1000).toFixed(1)} s`);
}
