/** `tidemark alarm`: the channels tried out, what stands now, and silence for what somebody is at work on. */
import type { Delivery } from '../alarms/channel.ts';
import { channelsOf, deliver } from '../alarms/channels.ts';
import { inWords, titleOfAll } from '../alarms/matter.ts';
import { type Memory, type Standing, TableMemory } from '../alarms/memory.ts';
import { Message, matterJson } from '../alarms/message.ts';
import type { News } from '../alarms/news.ts';
import { exitCodes, JobError, SetupError, UsageError } from '../platform/errors.ts';
import { openSurroundings, type Surroundings, withSession } from './app.ts';
import { asTyped, print, printJson, printTable } from './output.ts';
import { operator, reasonOf } from './person.ts';
import { pingTest } from './pings.ts';
import { localFolder, localMemory, placeOf, show } from './watch.ts';

/** One message through every channel, and what became of it. */
export async function test({ json }: { json?: true }): Promise<number> {
  const surroundings = openSurroundings();
  const channels = channelsOf(surroundings.config);
  const message = new Message([testNews], placeOf(surroundings, Date.now()));
  const [deliveries, ping] = await Promise.all([deliver(channels, message), pingTest(surroundings)]);
  const all = [...deliveries, ...(ping === null ? [] : [ping])];
  if (all.length === 0)
    throw new SetupError(
      'no channel is set, so nobody would be told',
      'set one of TIDEMARK_ALARM_… (see .env.example)',
    );
  if (json) printJson(all);
  else await printTable(['CHANNEL', 'RESULT', 'TOOK'], all.map(rowOf));
  return all.some(({ error }) => error !== null) ? exitCodes.failed : exitCodes.done;
}

const testNews: News = {
  state: 'raised',
  matter: {
    key: 'test',
    gravity: 'warning',
    of: null,
    since: Date.now(),
    ripeAt: null,
    what: 'a test: whoever reads this would read alarms',
    next: 'tidemark alarm list',
    cause: null,
    toldAt: null,
    claimedUntil: null,
    silence: null,
    version: 0,
  },
  follows: [],
};

const rowOf = ({ channel, ms, error, remark }: Delivery): string[] => [channel, error ?? remark ?? 'sent', `${ms} ms`];

/** What stands by the last watch, since when, and whether somebody was told. */
export async function list({ json }: { json?: true }): Promise<number> {
  const surroundings = openSurroundings();
  const { zone } = surroundings;
  const now = Date.now();
  const here = await localMemory(surroundings, localFolder()).read();
  const all = await inMemory(surroundings, async (memory) => [...here, ...(await memory.read())]);
  const standing = all.filter(({ ripeAt }) => ripeAt === null);
  if (json) printJson(standing.map((matter) => matterJson(matter, zone)));
  else if (standing.length === 0) print('nothing stands');
  else
    for (const matter of standing.filter(({ cause }) => cause === null))
      await show(textOf(matter, standing, surroundings, now));
  return exitCodes.done;
}

function textOf(matter: Standing, standing: readonly Standing[], { zone }: Surroundings, now: number): string {
  const { key, gravity, since, toldAt, silence, what, next, of } = matter;
  const told = toldAt === null ? 'told nobody' : `told ${zone.text(toldAt)}`;
  const isSilent = silence !== null && silence.until > now;
  const silent = isSilent ? `, silent until ${zone.text(silence.until)}: ${silence.reason}` : '';
  const follows = standing.filter(({ cause }) => cause === key).map((one) => one.key);
  const lines = [
    [titleOfAll([of]), what].filter((part) => part !== '').join(': '),
    `since ${zone.text(since)} (${inWords(now - since)}), ${told}${silent}`,
    ...(follows.length === 0 ? [] : [`so, too: ${follows.join(', ')}`]),
    asTyped(`Next: ${next}`),
  ];
  return [`${gravity}  ${key}`, ...lines.map((line) => `  ${line}`)].join('\n');
}

/** No reminder for a while; it is told again when that is over, if it still stands. */
export async function silence(
  key: string,
  options: { readonly for: number; readonly reason?: string; readonly yes?: true; readonly json?: true },
): Promise<number> {
  const reason = reasonOf({ ...options, yes: true }, `tidemark alarm silence ${key} --for 2h`);
  const surroundings = openSurroundings();
  const until = Date.now() + options.for;
  const wanted = { until, reason, who: operator('tidemark alarm') };
  const kept = await inMemory(surroundings, (memory) => silenceOne(memory, key, wanted));
  if (options.json) printJson(matterJson(kept, surroundings.zone));
  else print(`${key} is silent until ${surroundings.zone.text(until)}; tidemark watch still looks, and tells its end`);
  return exitCodes.done;
}

const triesMax = 5;

async function silenceOne(memory: Memory, key: string, silence: NonNullable<Standing['silence']>): Promise<Standing> {
  for (let left = triesMax; left > 0; left--) {
    const standing = await memory.read();
    const matter = standing.find((one) => one.key === key);
    if (matter === undefined) {
      const known = standing.map((one) => one.key).join(', ');
      throw new UsageError(
        `nothing stands by the name "${key}"${known === '' ? '' : `: there is ${known}`}`,
        'tidemark alarm list',
      );
    }
    const kept = await memory.swap(matter, { ...matter, silence });
    if (kept !== undefined) return kept;
  }
  throw new JobError(`${key} is being changed by others all the time`, 'type it again');
}

function inMemory<Result>(surroundings: Surroundings, work: (memory: Memory) => Promise<Result>): Promise<Result> {
  surroundings.config.need('MAIN_DATABASE_URL');
  return withSession(surroundings, 'main', (session) => work(new TableMemory(session, surroundings.zone)));
}
