/** `tidemark why`: where one row is on its way: carried by which run, a dead letter, or waiting, and for what. */
import { readCheckpoint, titleOf } from '../engine/checkpoint.ts';
import { type DeadLetter, findLetters } from '../engine/dead-letters.ts';
import { isTableJob, shardNames, type TableJob } from '../engine/job.ts';
import { type CoveringWindow, windowAt } from '../engine/journal.ts';
import { dirtily, Source } from '../engine/source.ts';
import { openTransaction, type Watermark } from '../engine/watermark.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import { identifier, type Reader, type Session } from '../platform/mysql.ts';
import { columnOf, describeTable, keyLiteral } from '../platform/table.ts';
import { type App, openSurroundings, type Surroundings } from './app.ts';
import { print, printJson } from './output.ts';
import { watermarkNow } from './watermark.ts';

type State = 'carried' | 'dead-letter' | 'waiting' | 'in-flight' | 'timeless' | 'differs' | 'gone';

interface Finding {
  readonly state: State;
  readonly says: string;
  readonly next: string | null;
}

/** A row on both sides. */
interface Row {
  readonly shard: string;
  /** The time of the committed version in the source, as text and as an instant. */
  readonly committed: string | null;
  readonly at: number | null;
  /** The source has a version that is not committed yet. */
  readonly isInFlight: boolean;
  /** The time of the version in the target, as text. */
  readonly copied: string | null;
}

interface Story extends Row, Finding {
  readonly job: string;
  readonly carriedBy: CoveringWindow | null;
  readonly letter: DeadLetter | null;
  readonly watermark: Watermark | null;
}

export async function why(app: App, table: string, id: string, options: { json?: true }): Promise<number> {
  const job = jobOf(app, table);
  const surroundings = openSurroundings();
  const source = await surroundings.databases.open('source');
  try {
    const target = await surroundings.databases.open(job.target);
    try {
      const rows = await findRow(job, table, id, source, target, surroundings);
      const stories = [];
      for (const row of rows) stories.push(await storyOf(app, job, row, id, source, target, surroundings));
      for (const story of stories) tell(story, table, id, surroundings, options.json === true);
      const fine: readonly State[] = ['carried', 'waiting', 'in-flight'];
      return stories.every(({ state }) => fine.includes(state)) ? exitCodes.done : exitCodes.waitsForPerson;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** The job that carries the rows of a table, named by the source's side or by the target's. */
function jobOf({ jobs }: App, table: string): TableJob {
  const carrying = jobs.filter(isTableJob);
  const names = (job: TableJob) => [...shardNames(job).map((shard) => job.source.table(shard)), job.targetTable ?? ''];
  const job = carrying.find((candidate) => names(candidate).includes(table));
  if (job !== undefined) return job;
  const known = carrying.flatMap((candidate) => [...new Set([candidate.targetTable ?? '', names(candidate)[0] ?? ''])]);
  throw new UsageError(
    `no job carries the table ${table}`,
    `tidemark why ${known[0]} <id>; tables: ${known.join(', ')}`,
  );
}

/** The row in each shard that holds it, in the named one if it is there; once, without a shard's version, where only the target has it. */
async function findRow(
  job: TableJob,
  name: string,
  id: string,
  source: Session,
  target: Session,
  { zone }: Surroundings,
): Promise<Row[]> {
  const isNamed = (shard: string) => [job.source.table(shard), job.targetTable].includes(name);
  const shards = shardNames(job).filter(isNamed);
  const others = shardNames(job).filter((shard) => !isNamed(shard));
  const copied = await copiedTime(job, id, target);
  const rows: Row[] = [];
  // A row that the named shard lacks may have moved: it is gone only where no shard has it.
  for (const shard of [...shards, ...others]) {
    if (rows.length > 0 && others.includes(shard)) break;
    const table = await describeTable(source, job.source.table(shard));
    if (table === null) continue;
    const reader = new Source(table, job.source, zone);
    const key = checkedKey(reader, id);
    const [uncommitted] = await dirtily(source, () => reader.versionsByKeys(source, [key]));
    const [committed] = await reader.versionsByKeys(source, [key]);
    if (uncommitted === undefined && committed === undefined) continue;
    const at = committed === undefined ? null : reader.instant(committed.time);
    const isInFlight = committed?.digest !== uncommitted?.digest;
    rows.push({ shard, committed: committed?.time ?? null, at, isInFlight, copied });
  }
  if (rows.length > 0) return rows;
  if (copied === null) throw new UsageError(`there is no row ${id} in ${name}, and none in its copy`, 'check the id');
  return [
    { shard: shards.length === 1 ? (shards[0] ?? '') : '', committed: null, at: null, isInFlight: false, copied },
  ];
}

function checkedKey(source: Source, id: string): string {
  try {
    keyLiteral(source.keyColumn, id);
    return id;
  } catch {
    throw new UsageError(`${id} is no ${source.key} of ${source.table.name}, which is ${source.keyColumn.type}`);
  }
}

async function copiedTime(job: TableJob, id: string, target: Reader): Promise<string | null> {
  const table = job.targetTable === undefined ? null : await describeTable(target, job.targetTable);
  const key = table === null ? undefined : columnOf(table, job.source.key);
  if (table === null || key === undefined || columnOf(table, job.source.time) === undefined) return null;
  const [row] = await target.tuples(
    `SELECT IFNULL(${identifier(job.source.time)},'') FROM ${identifier(table.name)} WHERE ${identifier(key.name)} = ?`,
    [id],
  );
  return row === undefined ? null : String(row[0]);
}

async function storyOf(
  app: App,
  job: TableJob,
  row: Row,
  id: string,
  source: Session,
  target: Session,
  surroundings: Surroundings,
): Promise<Story> {
  const { zone } = surroundings;
  const name = { job: job.name, shard: row.shard };
  const checkpoint = await readCheckpoint(target, name, zone);
  const letters = await findLetters(target, { job: job.name, key: id }, 100, zone);
  const letter = letterOf(
    letters.filter(({ shard }) => shard === row.shard),
    job.source.time,
    row.committed,
  );
  const { at } = row;
  const closed = at !== null && checkpoint !== null && at < checkpoint;
  const carriedBy = closed ? await windowAt(target, name, at, zone) : null;
  const watermark = closed ? null : await watermarkNow(app, job, row.shard, checkpoint, surroundings, target, source);
  const facts = { ...row, job: job.name, letter, carriedBy, watermark };
  return { ...facts, ...(await judge(facts, titleOf(name), closed, source, surroundings)) };
}

/** The open letter of a row; where it has none, the last one about the version that is committed now. */
function letterOf(letters: readonly DeadLetter[], time: string, committed: string | null): DeadLetter | null {
  const open = letters.find(({ state }) => state === 'open');
  return open ?? letters.findLast(({ content }) => committed !== null && content[time] === committed) ?? null;
}

/** @param closed the committed version lies before the checkpoint */
async function judge(
  { letter, committed, at, isInFlight, copied, carriedBy, watermark }: Omit<Story, keyof Finding>,
  title: string,
  closed: boolean,
  source: Session,
  { zone }: Surroundings,
): Promise<Finding> {
  const mend = `tidemark verify ${title.split(' ')[0]} --data --fix`;
  const show = letter === null ? null : `tidemark dead-letters show ${letter.id}`;
  if (letter?.state === 'open') return { state: 'dead-letter', says: `is a dead letter: ${letter.reason}`, next: show };
  if (isInFlight) {
    const holder = await openTransaction(source);
    return {
      state: 'in-flight',
      says: `is being written: ${holder?.detail ?? 'a transaction that is not committed yet'}`,
      next: null,
    };
  }
  if (committed === null) return { state: 'gone', says: 'is gone from the source, and still in the copy', next: mend };
  if (at === null)
    return { state: 'timeless', says: 'has no time of change, so it is in no window', next: 'give it one' };
  if (!closed) return waiting(at, watermark, title, zone);
  const settled =
    letter === null ? '' : `${letter.resolution}${letter.lastAt === null ? '' : `, ${zone.iso(letter.lastAt)}`}`;
  if (letter?.state === 'discarded')
    return { state: 'dead-letter', says: `is a dead letter that was given up: ${settled}`, next: show };
  // To the second: the copy's column may have fewer digits than the source's.
  if (copied === null || copied.slice(0, 19) < committed.slice(0, 19))
    return {
      state: 'differs',
      says: `should have been carried, and the copy ${copied === null ? 'lacks it' : `holds the version of ${copied}`}`,
      next: mend,
    };
  if (copied.slice(0, 19) > committed.slice(0, 19))
    return {
      state: 'carried',
      says: `is older here than in the copy, which holds the version of ${copied}`,
      next: null,
    };
  if (letter !== null)
    return { state: 'carried', says: `was refused (${letter.reason}), and then ${settled}`, next: null };
  if (carriedBy === null)
    return {
      state: 'carried',
      says: 'lies before the time that the journal knows: it was there when tidemark took over',
      next: null,
    };
  const { window, runId, closedAt } = carriedBy;
  const when = closedAt === null ? '' : ` at ${zone.iso(closedAt)}`;
  return {
    state: 'carried',
    says: `was carried${when} by run ${runId}, in the window ${zone.iso(window.start)} to ${zone.iso(window.end)}`,
    next: null,
  };
}

function waiting(at: number, watermark: Watermark | null, title: string, zone: Surroundings['zone']): Finding {
  const limit = watermark?.at ?? null;
  if (limit !== null && at < limit)
    return { state: 'waiting', says: `is due: the watermark is at ${zone.iso(limit)}`, next: `tidemark run ${title}` };
  const held = watermark?.heldBackBy ?? null;
  const because =
    held === null ? '' : `, held back: ${held.detail}${held.statement === null ? '' : `: ${held.statement}`}`;
  const where =
    limit === null ? 'a watermark, and there is none' : `the watermark to pass it, which is at ${zone.iso(limit)}`;
  return { state: 'waiting', says: `waits for ${where}${because}`, next: `tidemark status ${title.split(' ')[0]}` };
}

function tell(story: Story, table: string, id: string, { zone }: Surroundings, json: boolean): void {
  const { job, shard, state, committed, copied, carriedBy, letter, watermark, says, next } = story;
  const iso = (instant: number | null | undefined) =>
    instant === null || instant === undefined ? null : zone.iso(instant);
  if (!json) {
    const version = committed === null ? '' : ` (version of ${committed})`;
    print(`${table} ${id}${version}, ${titleOf({ job, shard })}: ${says}.${next === null ? '' : ` Next: ${next}`}`);
    return;
  }
  printJson({
    table,
    id,
    job,
    shard: shard || null,
    state,
    version: committed,
    copied,
    window: carriedBy === null ? null : { from: iso(carriedBy.window.start), to: iso(carriedBy.window.end) },
    runId: carriedBy?.runId ?? null,
    closedAt: iso(carriedBy?.closedAt),
    deadLetter: letter?.id ?? null,
    watermark: iso(watermark?.at),
    heldBackBy: watermark?.heldBackBy ?? null,
    says,
    next,
  });
}
