/** `tidemark log`: what the history and its own log know of one run. */
import { open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { runsByPrefix } from '../engine/run-history.ts';
import type { Zone } from '../engine/zone.ts';
import { UsageError } from '../platform/errors.ts';
import { type Entry, personLine } from '../platform/log-line.ts';
import { Mask } from '../platform/masking.ts';
import { type RunLog, RunLogs } from '../platform/run-logs.ts';
import { type App, openSurroundings, type Surroundings } from './app.ts';
import {
  asJson,
  doneText,
  errorsOf,
  outcomeOf,
  outcomeText,
  paintedOutcome,
  tookText,
  type WholeRun,
  wholeRuns,
} from './history.ts';
import { painted, wrapped } from './looks.ts';
import { print, printJson } from './output.ts';
import { type Away, complainOf, inEachReachable } from './reachable.ts';
import { endOfRun } from './run-log.ts';
import { jobWithShards } from './shard-names.ts';

interface LogOptions {
  readonly follow?: true;
  readonly json?: true;
}

const pollMs = 500;
const namedMax = 5;

export async function log(app: App, prefix: string, options: LogOptions): Promise<number> {
  if (!/^[0-9a-f][0-9a-f-]{3,35}$/i.test(prefix))
    throw new UsageError(
      `"${prefix}" is no run: expected the beginning of its id, such as 01a1fd9b-879f`,
      'tidemark history',
    );
  const surroundings = openSurroundings();
  const { config, zone } = surroundings;
  const logs = RunLogs.of(config);
  const { run, file: found, away } = await find(app, surroundings, logs, prefix.toLowerCase());
  const mask = new Mask(config.secrets);
  if (options.json && run !== null) printJson({ history: asJson(run, zone, mask) });
  if (!options.json) await tellOf(run, zone, mask);
  const show = async (line: string) => print(options.json ? line : await wrapped(readable(line, zone), 15));
  const runs = run?.shards.some(({ outcome }) => outcome === 'running') === true;
  const goesOn = options.follow === true && runs ? stillRuns(app, surroundings, run.runId) : null;
  const file = found ?? (goesOn === null ? null : await awaited(logs, run?.runId ?? '', goesOn));
  if (file !== null) await showLines(file, show, goesOn);
  else if (!options.json) print(whyNone(run, logs));
  return complainOf(away);
}

/** The one run whose id begins so, in the history or by its log. @throws UsageError when there is none, or several */
async function find(app: App, surroundings: Surroundings, logs: RunLogs | null, prefix: string) {
  const { results, away } = await inEachReachable(surroundings, app.jobs, false, (_, session) =>
    runsByPrefix(session, prefix, surroundings.zone),
  );
  const runs = wholeRuns(results.flat());
  const files = (await logs?.find(prefix)) ?? [];
  const ids = [...new Set([...runs, ...files].map(({ runId }) => runId))];
  if (ids.length === 0) {
    complainOf(away);
    throw new UsageError(`no run begins with ${prefix}`, 'tidemark history');
  }
  if (ids.length > 1) {
    const some = ids.slice(0, namedMax).join(', ') + (ids.length > namedMax ? ', …' : '');
    throw new UsageError(`${ids.length} runs begin with ${prefix}: ${some}`, `tidemark log ${ids[0]}`);
  }
  return { run: runs[0] ?? null, file: files[0] ?? null, away: away as readonly Away[] };
}

async function tellOf(run: WholeRun | null, zone: Zone, mask: Mask): Promise<void> {
  if (run === null) return;
  const { runId, job, shards, kind, host, startedAt } = run;
  const names = shards.map(({ shard }) => shard);
  const times = `${startedAt === null ? '-' : zone.text(startedAt)}${tookText(run)}`;
  print(`${painted('strong', jobWithShards(job, names))}, run ${runId}`);
  const outcome = paintedOutcome(outcomeOf(run), outcomeText(run));
  print(`${outcome}: ${kind}, ${times}, on ${host} (process ${shards[0]?.pid})`);
  const done = doneText(run);
  if (done !== '') print(await wrapped(done, 0));
  for (const { shards: which, error } of errorsOf(run))
    print(await wrapped(painted('bad', mask.text(`${which === '' ? '' : `${which}: `}${error}`)), 0));
  print('');
}

function whyNone(run: WholeRun | null, logs: RunLogs | null): string {
  if (run !== null && run.host !== hostname().slice(0, 64)) return `Its log is on ${run.host}, where it ran.`;
  if (logs === null) return 'Runs keep no logs here: TIDEMARK_RUN_LOGS=none.';
  return `There is no log of it in ${logs.folder}: it had nothing to tell, or it is too long ago.`;
}

function readable(line: string, zone: Zone): string {
  try {
    const entry = JSON.parse(line) as Entry;
    const at = Date.parse(entry.timestamp);
    // The run is named above, and what has become of a shard stands in the message.
    const { runId: _, outcome: __, windows: ___, [endOfRun]: code, ...rest } = entry;
    const text = personLine(
      { ...rest, ...(code === undefined ? {} : { exit: code }) } as Entry,
      zone.text(at).slice(11),
    );
    const meaning = entry.level === 'error' ? 'bad' : entry.level === 'warn' ? 'doubtful' : null;
    return meaning === null ? text : painted(meaning, text);
  } catch {
    return line; // cut off by a full disk, perhaps
  }
}

/** Prints the lines of a log; with `goesOn`, those that come, too, until the run has ended. */
async function showLines(
  { file }: RunLog,
  show: (line: string) => Promise<void>,
  goesOn: (() => Promise<boolean>) | null,
): Promise<void> {
  const handle = await open(file);
  try {
    let rest = '';
    for (let isLast = goesOn === null; ; ) {
      const lines = (rest + (await handle.readFile('utf8'))).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) await show(line);
      if (isLast) break;
      isLast = lines.some((line) => line.includes(`"${endOfRun}":`)) || !(await goesOn?.());
      await sleep(pollMs);
    }
    if (rest !== '') await show(rest);
  } finally {
    await handle.close();
  }
}

/** The log of a run that has told nothing yet. */
async function awaited(logs: RunLogs | null, runId: string, goesOn: () => Promise<boolean>): Promise<RunLog | null> {
  for (;;) {
    const isLast = !(await goesOn());
    const [file] = (await logs?.find(runId)) ?? [];
    if (file !== undefined || isLast || logs === null) return file ?? null;
    await sleep(pollMs);
  }
}

/** Whether a run is under way; where that cannot be told, it is waited for. */
function stillRuns(app: App, surroundings: Surroundings, runId: string): () => Promise<boolean> {
  return async () => {
    const { results, away } = await inEachReachable(surroundings, app.jobs, false, (_, session) =>
      runsByPrefix(session, runId, surroundings.zone),
    );
    return away.length > 0 || results.flat().some(({ outcome }) => outcome === 'running');
  };
}
