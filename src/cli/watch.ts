/**
 * `tidemark watch`: finds what a person must know, above all what did not run, and tells it: once, again after a while,
 * and once more when it is over. A cron line of its own, on one host or on several.
 */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Channel, Delivery } from '../alarms/channel.ts';
import { channelsOf, deliver } from '../alarms/channels.ts';
import { LocalMemory, writableFolder } from '../alarms/local-memory.ts';
import { look, type Sight } from '../alarms/look.ts';
import { keyOf, type Matter } from '../alarms/matter.ts';
import { type Memory, type Standing, TableMemory } from '../alarms/memory.ts';
import { Message, matterJson, type Place } from '../alarms/message.ts';
import { claimNews, type News, noteNews, unwritten } from '../alarms/news.ts';
import { Servers } from '../alarms/servers.ts';
import { isTableJob, type Job, readsFrom } from '../engine/job.ts';
import type { Instant } from '../engine/zone.ts';
import { programFolder } from '../platform/config.ts';
import { exitCodes } from '../platform/errors.ts';
import { Mask } from '../platform/masking.ts';
import { type DatabaseName, databaseSettings } from '../platform/settings.ts';
import { type App, jobsInUse, openSurroundings, type Surroundings } from './app.ts';
import { painted, wrapped } from './looks.ts';
import { asTyped, exitCodeOf, remark as note, print, printJson } from './output.ts';
import { pingAbout } from './pings.ts';
import { watermarkNow } from './watermark.ts';

interface Options {
  readonly dryRun?: true;
  readonly json?: true;
}

export interface WatchBy {
  readonly channels: readonly Channel[];
  readonly now: Instant;
  readonly isDryRun: boolean;
  /** Where this host remembers what the main database cannot. */
  readonly folder: string;
}

/** What a watch has found, and what became of telling it. */
export interface Watch {
  readonly standing: readonly Standing[];
  readonly messages: readonly Message[];
  readonly deliveries: readonly Delivery[];
}

export async function watch(app: App, options: Options): Promise<number> {
  const surroundings = openSurroundings({ quiet: true });
  try {
    const code = await tell(app, surroundings, options);
    await pingAbout(surroundings, 'watch', code === exitCodes.waitsForPerson ? exitCodes.done : code);
    return code;
  } catch (error) {
    await pingAbout(surroundings, 'watch', exitCodeOf(error));
    throw error;
  }
}

async function tell(app: App, surroundings: Surroundings, { dryRun, json }: Options): Promise<number> {
  const channels = channelsOf(surroundings.config);
  const by = { channels, now: Date.now(), isDryRun: dryRun === true, folder: localFolder() };
  const done = await watchOnce(app, surroundings, by);
  const place = placeOf(surroundings, by.now);
  if (json) printJson(asJson(done, place));
  else if (dryRun) print(done.messages.map((message) => message.text()).join('\n\n') || 'nothing to tell');
  else if (channels.length === 0 || process.stdout.isTTY) await printStanding(done, channels, place);
  for (const { channel, error, remark } of done.deliveries)
    if (error !== null || remark !== null) note(`alarms by ${channel}: ${error ?? remark}. Next: tidemark alarm test`);
  return codeOf(done, channels.length === 0 || dryRun === true);
}

function codeOf({ standing, deliveries }: Watch, isUntold: boolean): number {
  if (deliveries.length > 0 && deliveries.every(({ error }) => error !== null)) return exitCodes.failed;
  return isUntold && standing.length > 0 ? exitCodes.waitsForPerson : exitCodes.done;
}

export const localFolder = (): string => writableFolder(join(programFolder(), '.tidemark'));

export const placeOf = ({ zone }: Surroundings, now: Instant): Place => ({ host: hostname(), now, zone, asTyped });

/** What stands while the main database cannot be reached, on this host. */
export function localMemory({ config }: Surroundings, folder: string): LocalMemory {
  const url = config.need('MAIN_DATABASE_URL');
  return new LocalMemory(folder, createHash('sha256').update(url).digest('hex').slice(0, 12));
}

/** Looks, and tells what there is to tell. */
export async function watchOnce(app: App, surroundings: Surroundings, by: WatchBy): Promise<Watch> {
  const { config, databases } = surroundings;
  const tables = app.jobs.some(isTableJob) ? (['SOURCE_DATABASE_URL'] as const) : [];
  config.require([...tables, 'MAIN_DATABASE_URL', 'REDIS_URL']);
  const used = jobsInUse(app, config);
  const unused = new Set(app.jobs.filter((job) => !used.includes(job)).map(({ name }) => name));
  const prefix = config.need('TIDEMARK_REDIS_PREFIX');
  const local = localMemory(surroundings, by.folder);
  const standingHere = await local.read();
  const servers = await Servers.reach(databases, neededDatabases(app, used, surroundings), prefix);
  try {
    const reached = { matters: mainGone(servers.matters), isJudged: () => true };
    const parts = [await tellOf(local, standingHere, reached, surroundings, by)];
    const main = servers.session('main');
    if (main === null) return together(parts);
    const memory = new TableMemory(main, surroundings.zone);
    const before = await memory.read();
    const sight = await look({ ...watchedOf(app, surroundings, servers, by.now), unused });
    parts.push(await tellOf(memory, before, sight, surroundings, by));
    return together(parts);
  } finally {
    await servers.close();
  }
}

function neededDatabases({ jobs }: App, used: readonly Job[], { config }: Surroundings): Set<DatabaseName> {
  const names = new Set<DatabaseName>(['main', ...used.flatMap((job) => [job.target, readsFrom(job, jobs)])]);
  return new Set([...names].filter((name) => config.get(databaseSettings[name]) !== undefined));
}

const mainKey = keyOf('unreachable', 'main');

/** Without the main database nothing else can be remembered: what else is gone is said with it. */
function mainGone(matters: readonly Matter[]): Matter[] {
  const others = matters.filter(({ key }) => key !== mainKey).map(({ key }) => key.slice('unreachable:'.length));
  const more = others.length === 0 ? '' : `; nor can ${others.join(', ')}`;
  return matters.filter(({ key }) => key === mainKey).map((matter) => ({ ...matter, what: `${matter.what}${more}` }));
}

function watchedOf(app: App, surroundings: Surroundings, servers: Servers, now: Instant) {
  const { config, zone } = surroundings;
  const setting: typeof config.get = (name) => config.get(name);
  return {
    jobs: app.jobs,
    servers,
    zone,
    now,
    failuresMax: config.need('TIDEMARK_ALARM_FAILURES'),
    heldMaxMs: config.need('TIDEMARK_ALARM_HELD'),
    pauseMaxMs: config.need('TIDEMARK_PAUSE_LIMIT'),
    due: (job) => job.due({ setting }),
    watermark: (job, shard, checkpoint, target) =>
      watermarkNow(app, job, shard, checkpoint, surroundings, target, servers.session('source')),
  } satisfies Omit<Parameters<typeof look>[0], 'unused'>;
}

/** A channel tries twice, and a command and a mail have limits of their own: a claim outlasts them all. */
const claimsPerTimeout = 4;
const claimAtLeastMs = 60_000;

async function tellOf(
  kept: Memory,
  before: readonly Standing[],
  sight: Pick<Sight, 'matters' | 'isJudged'>,
  surroundings: Surroundings,
  { channels, now, isDryRun }: WatchBy,
): Promise<Watch> {
  const { config } = surroundings;
  const memory = isDryRun ? unwritten(kept) : kept;
  const claimMs = claimAtLeastMs + claimsPerTimeout * config.need('TIDEMARK_ALARM_TIMEOUT');
  const rules = { now, claimMs, reminderMs: config.need('TIDEMARK_ALARM_REMINDER') };
  const mask = new Mask(config.secrets); // errors and statements of others go to chats and mailboxes
  const matters = sight.matters.map((matter) => ({ ...matter, what: mask.text(matter.what) }));
  const { news, standing } = await claimNews(memory, before, { ...sight, matters }, rules);
  const ripe = standing.filter(({ ripeAt }) => ripeAt === null);
  if (news.length === 0) return { standing: ripe, messages: [], deliveries: [] };
  const message = new Message(news, placeOf(surroundings, now));
  const deliveries = isDryRun ? [] : await deliver(channels, message);
  const isTold = deliveries.some(({ error }) => error === null);
  await noteNews(memory, news, isTold, now);
  return { standing: ripe, messages: [message], deliveries };
}

const together = (parts: readonly Watch[]): Watch => ({
  standing: parts.flatMap(({ standing }) => standing),
  messages: parts.flatMap(({ messages }) => messages),
  deliveries: parts.flatMap(({ deliveries }) => deliveries),
});

/** For a person: all that stands, whether it has been told or not. */
async function printStanding(
  { standing, messages, deliveries }: Watch,
  channels: readonly Channel[],
  place: Place,
): Promise<void> {
  const roots = standing.filter(({ cause }) => cause === null);
  const all: News[] = roots.map((matter) => ({
    state: 'raised',
    matter,
    follows: standing.filter(({ cause }) => cause === matter.key),
  }));
  if (all.length > 0) await show(new Message(all, place).text());
  else if (process.stdout.isTTY) print('nothing stands');
  const told = deliveries.filter(({ error }) => error === null).map(({ channel }) => channel);
  if (told.length > 0)
    print(`\ntold by ${[...new Set(told)].join(', ')}: ${messages.map(({ subject }) => subject).join('; ')}`);
  if (all.length > 0 && channels.length === 0)
    print('\nNobody is told: no channel is set. Next: TIDEMARK_ALARM_… in .env.example, then tidemark alarm test');
}

const labels = { CRITICAL: 'bad', WARNING: 'doubtful', OVER: 'good' } as const;

/** A text for a terminal: lines that fit, the gravity in colour. */
export async function show(text: string): Promise<void> {
  for (const line of text.split('\n')) {
    const coloured = line.replace(/^(CRITICAL|WARNING|OVER)\b/i, (label) =>
      painted(labels[label.toUpperCase() as keyof typeof labels], label),
    );
    const indent = line.search(/\S|$/);
    print(' '.repeat(indent) + (await wrapped(coloured.trimStart(), indent)));
  }
}

const asJson = ({ standing, messages, deliveries }: Watch, { zone }: Place) => ({
  standing: standing.map((matter) => matterJson(matter, zone)),
  messages: messages.map((message) => message.json()),
  deliveries,
});
