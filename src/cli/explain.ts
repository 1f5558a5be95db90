/** `tidemark explain`: the queries of a job's dry run with their plans, what is bad about them, and the index that helps. */
import { isDueJob, type Job } from '../engine/job.ts';
import type { JobResult } from '../engine/run.ts';
import { type Explained, explainAll } from '../explain/explaining.ts';
import { createIndex, merged } from '../explain/judge.ts';
import { isBookkeeping, recorded } from '../explain/recording.ts';
import { exitCodes } from '../platform/errors.ts';
import { silentLog } from '../platform/log.ts';
import { type App, findJob, findShards, openCopies, openSurroundings, type Surroundings } from './app.ts';
import { engineSetting } from './engine-setting.ts';
import { watchHalt } from './halt.ts';
import { painted, widthOfTerminal } from './looks.ts';
import { runJob } from './one-run.ts';
import { complain, exitCodeOf, grouped, print, printJson } from './output.ts';
import { checkTogether, requestOf } from './run.ts';

export interface ExplainOptions {
  from?: string;
  to?: string;
  verbose?: true;
  json?: true;
}

export async function explain(
  app: App,
  jobName: string,
  shard: string | undefined,
  options: ExplainOptions,
): Promise<number> {
  const job = findJob(app, jobName);
  const shards = findShards(job, shard === undefined ? [] : [shard]);
  const surroundings = openSurroundings({ quiet: options.json === true });
  let result: JobResult | null = null;
  const { queries, others } = await recorded(async () => {
    result = await dryRun(app, job, shards, options, surroundings);
  });
  const explained = folded(await explainAll(queries, surroundings.databases), job);
  if (options.json) printJson(asJson(job, explained, result));
  else report(job, explained, others, result, options.verbose === true);
  const failure = failureOf(result);
  if (failure !== null) complain(failure);
  if (failure !== null) return exitCodeOf(failure);
  return explained.some(({ isBad }) => isBad) ? exitCodes.waitsForPerson : exitCodes.done;
}

/** One window a shard is enough to see every statement. */
async function dryRun(
  app: App,
  job: Job,
  shards: readonly string[],
  { from, to }: ExplainOptions,
  surroundings: Surroundings,
): Promise<JobResult> {
  const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  const few = isDueJob(job) ? {} : { maxWindows: 1 };
  const asked = { ...range, ...few, dryRun: true, concurrency: 1, ifLocked: 'skip' } as const;
  checkTogether(asked);
  const request = requestOf(job, asked, surroundings.zone);
  const { halt, done } = watchHalt(undefined);
  const copies = openCopies(surroundings);
  try {
    const setting = engineSetting(app, surroundings, { copies, halt, log: silentLog, progress: null });
    return await runJob(job, shards, request, setting, 1);
  } finally {
    done();
    await copies.close();
  }
}

const failureOf = (result: JobResult | null): unknown =>
  result?.shards.find(({ error }) => error !== null)?.error ?? null;

interface Folded extends Explained {
  /** The tables of other shards with the same verdict. */
  readonly alike: readonly Explained[];
}

/** What is the same at each shard's table, once. */
function folded(all: readonly Explained[], job: Job): Folded[] {
  const names = 'source' in job ? findShards(job, []).map((shard) => job.source.table(shard)) : [];
  const general = (text: string) =>
    names.reduce((rest, name) => rest.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), '…'), text);
  const kinds = new Map<string, Explained[]>();
  for (const one of all) {
    const plan = one.plan?.accesses.map(({ type, key }) => `${type} ${key}`).join() ?? '';
    const key = `${one.query.label} ${general(one.query.shape)} ${one.isBad} ${plan}`;
    kinds.set(key, [...(kinds.get(key) ?? []), one]);
  }
  return [...kinds.values()].map(([first, ...alike]) => ({ ...(first as Explained), alike }));
}

const everyOne = (found: readonly Folded[]): Explained[] => found.flatMap((one) => [one, ...one.alike]);

/** The statements that make the indexes, each database by itself. */
function remedies(found: readonly Folded[]): { label: string; sql: string[] }[] {
  const labels = [...new Set(found.map(({ query }) => query.label))];
  return labels
    .map((label) => {
      const own = everyOne(found).filter(({ query }) => query.label === label);
      const indexes = merged(own.flatMap(({ indexes: some }) => some));
      return { label, sql: indexes.map((index) => createIndex(own[0]?.database ?? '', index)) };
    })
    .filter(({ sql }) => sql.length > 0);
}

function asJson(job: Job, found: readonly Folded[], result: JobResult | null) {
  return {
    job: job.name,
    outcome: result?.shards.map(({ shard, outcome }) => ({ shard: shard || null, outcome })),
    statements: everyOne(found).map(({ query, database, plan, isBad, says }) => ({
      on: query.label,
      database,
      sql: query.shape,
      bookkeeping: isBookkeeping(query),
      times: query.times,
      rowsReturned: query.rows,
      slowestMs: query.example.ms,
      measured: plan?.measured ?? false,
      plan: plan?.accesses.map(({ name, type, key, read, kept }) => ({
        table: query.tables.get(name) ?? name,
        type,
        key,
        rowsRead: read,
        rowsKept: kept,
      })),
      verdict: isBad ? 'bad' : 'fine',
      says,
    })),
    next: remedies(found).flatMap(({ sql }) => sql),
  };
}

function report(job: Job, found: readonly Folded[], others: number, result: JobResult | null, verbose: boolean): void {
  const own = found.filter(({ query }) => !isBookkeeping(query));
  const books = found.filter(({ query, isBad }) => isBookkeeping(query) && !isBad);
  const isIdle = result?.shards.every(({ outcome }) => outcome === 'nothing-due' || outcome === 'held-back') === true;
  const range = isDueJob(job) ? '' : ' --from and --to look at a range.';
  if (isIdle) print(`Nothing is due: these are the queries of an idle run.${range}\n`);
  for (const one of [...own, ...found.filter((book) => isBookkeeping(book.query) && (verbose || book.isBad))])
    tell(one);
  if (own.length === 0) print('The dry run asked the databases nothing of its own.');
  const bad = found.filter(({ isBad }) => isBad).length;
  const more = verbose ? '' : `, and ${books.length} of tidemark's books (--verbose)`;
  print(
    `${found.length - books.length} statements${more}: ${bad === 0 ? 'all fine' : `${bad} bad`}; ${grouped(others)} that only serve the sessions`,
  );
  for (const { label, sql } of remedies(found)) {
    print(`\nNext, at the ${label} database, when it has time for it:`);
    for (const one of sql) print(`  ${one}`);
  }
}

function tell({ query, plan, isBad, says, alike }: Folded): void {
  const meaning = isBad ? 'bad' : 'good';
  const { times, rows, example, label } = query;
  const accesses = (plan?.accesses ?? []).filter(({ name }) => query.tables.has(name));
  const read = accesses.reduce((sum, access) => sum + access.read, 0);
  const told = [
    counted(times, 'time'),
    rows === null ? 'a write, which a dry run leaves out' : `${counted(rows, 'row')} returned`,
    accesses.length === 0
      ? ''
      : plan?.measured
        ? `${grouped(read)} read by the slowest`
        : `about ${grouped(read)} to read`,
    example.ms === null ? '' : `${example.ms} ms`,
  ].filter((fact) => fact !== '');
  print(`${painted(meaning, isBad ? '✗' : '✓')} ${label}: ${told.join(', ')}`);
  for (const line of linesOf(shortened(query.shape))) print(`    ${line}`);
  for (const { name, type, key } of accesses)
    print(`    · ${query.tables.get(name) ?? name}: ${type}${key === null ? '' : ` by ${key}`}`);
  for (const one of says) print(`    ${isBad ? painted(meaning, one) : one}`);
  const others = alike.map((one) => [...one.query.tables.values()][0]);
  if (others.length > 0) print(`    the same at ${others[0]}${others.length > 1 ? ` … ${others.at(-1)}` : ''}`);
  print('');
}

const linesMax = 3;

/** At the width of the terminal, and no more than a few lines. */
function linesOf(text: string): string[] {
  const width = Math.min(widthOfTerminal(), 120) - 6;
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word.slice(0, width));
  }
  return lines.length <= linesMax ? lines : [...lines.slice(0, linesMax - 1), `${lines[linesMax - 1]} …`];
}

const counted = (count: number, what: string): string => `${grouped(count)} ${what}${count === 1 ? '' : 's'}`;

const argumentsMax = 40;

/** Without the arguments of long function calls: what is read, and by which condition, is told behind them. */
function shortened(sql: string): string {
  let text = '';
  for (let at = 0; at < sql.length; at++) {
    text += sql[at];
    if (sql[at] !== '(' || !/\w/.test(sql[at - 1] ?? '')) continue;
    const end = closingOf(sql, at);
    const inside = sql.slice(at + 1, end);
    if (inside.length <= argumentsMax || /\bSELECT\b/i.test(inside)) continue;
    text += '…';
    at = end - 1;
  }
  return text;
}

/** Where the parenthesis that opens here is closed. */
function closingOf(sql: string, from: number): number {
  let depth = 0;
  for (let at = from; at < sql.length; at++) {
    if (sql[at] === '(') depth += 1;
    if (sql[at] === ')') depth -= 1;
    if (depth === 0) return at;
  }
  return sql.length;
}
