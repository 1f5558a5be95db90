/**
 * What people read, and machines: one message for all that a watch has to tell. Robots of chats take twenty messages a
 * minute, and a tired person fewer.
 *
 * Shards of one job with the same trouble are one entry. Each entry has what, since when, what follows, and what to type.
 */
import type { Instant, Zone } from '../engine/zone.ts';
import { inWords, kindOf, timeText, titleOfAll } from './matter.ts';
import type { Standing } from './memory.ts';
import type { News } from './news.ts';

export interface Place {
  readonly host: string;
  readonly now: Instant;
  readonly zone: Zone;
  /** The commands in a text as they are typed on this host. */
  readonly asTyped: (text: string) => string;
}

/** The most that a subject should have. */
const subjectMax = 120;

export class Message {
  readonly subject: string;
  /** That of the gravest entry. */
  readonly gravity: 'critical' | 'warning' | 'over';
  readonly #head: string;
  readonly #news: readonly News[];
  readonly #entries: readonly string[];
  readonly #place: Place;

  constructor(news: readonly News[], place: Place) {
    this.#news = news;
    this.#place = place;
    this.gravity =
      (['critical', 'warning'] as const).find((gravity) => news.some((one) => levelOf(one) === gravity)) ?? 'over';
    const groups = grouped(news);
    this.#entries = groups.map((group) => entryOf(group, place));
    const from = `tidemark on ${place.host}`;
    this.subject = cut(`${from}: ${headline(groups)}`, subjectMax);
    this.#head = groups.length === 1 ? from : this.subject; // what one entry says need not be said twice
  }

  /** The whole, or so many entries as fit. */
  text(bytesMax = Number.POSITIVE_INFINITY): string {
    const more = (count: number) => (count === 0 ? '' : `\n\n… and ${count} more: tidemark alarm list`);
    const { asTyped } = this.#place;
    for (let count = this.#entries.length; ; count--) {
      const told = asTyped(
        [this.#head, ...this.#entries.slice(0, count)].join('\n\n') + more(this.#entries.length - count),
      );
      if (count === 0 || Buffer.byteLength(told) <= bytesMax) return told;
    }
  }

  json(): object {
    const { host, now, zone } = this.#place;
    return {
      host,
      at: zone.iso(now),
      subject: this.subject,
      gravity: this.gravity,
      text: this.text(),
      alarms: this.#news.map(({ state, matter, follows }) => ({
        state,
        ...matterJson(matter, zone),
        seconds: Math.max(0, Math.round((now - matter.since) / 1000)),
        follows: follows.map(({ key }) => key),
      })),
    };
  }
}

/** A matter for scripts. */
export function matterJson({ key, gravity, of, what, next, cause, ...rest }: Standing, zone: Zone) {
  const { silence, toldAt } = rest;
  return {
    key,
    gravity,
    job: of?.job ?? null,
    shard: of?.shard || null,
    since: zone.iso(rest.since),
    what,
    next,
    cause,
    toldAt: toldAt === null ? null : zone.iso(toldAt),
    silencedUntil: silence === null ? null : zone.iso(silence.until),
  };
}

const levelOf = ({ state, matter }: News) => (state === 'over' ? 'over' : matter.gravity);

/** By job and kind, the gravest first. */
function grouped(news: readonly News[]): News[][] {
  const groups = new Map<string, News[]>();
  for (const gravity of ['critical', 'warning', 'over']) {
    for (const one of news.filter((candidate) => levelOf(candidate) === gravity)) {
      const { key, of } = one.matter;
      const group = [one.state, gravity, of === null ? key : `${kindOf(key)}:${of.job}`].join(' ');
      groups.set(group, [...(groups.get(group) ?? []), one]);
    }
  }
  return [...groups.values()];
}

const titled = (matters: readonly Standing[], what: string): string =>
  [titleOfAll(matters.map(({ of }) => of)), what].filter((part) => part !== '').join(': ');

function headline(groups: readonly (readonly News[])[]): string {
  const [first] = groups as [readonly News[]];
  if (groups.length === 1)
    return `${labelOf(first[0] as News)} ${titled(matters(first), (first[0] as News).matter.what)}`;
  const count = (level: string) => groups.filter((group) => levelOf(group[0] as News) === level).length;
  return ['critical', 'warning', 'over']
    .filter((level) => count(level) > 0)
    .map((level) => `${count(level)} ${level}`)
    .join(', ');
}

const labelOf = (news: News): string =>
  news.state === 'reminder' ? `STILL ${news.matter.gravity.toUpperCase()}` : levelOf(news).toUpperCase();

const matters = (group: readonly News[]): Standing[] => group.map(({ matter }) => matter);

function entryOf(group: readonly News[], { now, zone }: Place): string {
  const [first] = [...group].sort((a, b) => a.matter.since - b.matter.since) as [News];
  const { what, since } = first.matter;
  const all = matters(group);
  const lasted = inWords(now - since);
  const head = `${labelOf(first)} ${titled(all, what)}`;
  if (first.state === 'over') return `${head}\nIt stood for ${lasted}, since ${timeText(since, now, zone)}.`;
  const follows = followText(group.flatMap((one) => one.follows));
  return `${head}\nSince ${timeText(since, now, zone)} (${lasted}).${follows}\nNext: ${nextOf(first.matter, all)}`;
}

/** `tidemark run` takes several shards. */
function nextOf({ next, of }: Standing, all: readonly Standing[]): string {
  const one = titleOfAll([of]);
  return next.startsWith(`tidemark run ${one}`) ? next.replace(one, titleOfAll(all.map((matter) => matter.of))) : next;
}

function followText(follows: readonly Standing[]): string {
  const byJob = new Map<string, Standing[]>();
  for (const matter of follows) {
    const group = `${matter.of?.job} ${kindOf(matter.key)}`;
    byJob.set(group, [...(byJob.get(group) ?? []), matter]);
  }
  const told = [...byJob.values()].map((all) => {
    const [{ key, what }] = all as [Standing];
    return kindOf(key) === 'behind' ? titled(all, what) : `${titled(all, '')} ${kindOf(key)}`;
  });
  return told.length === 0 ? '' : `\nSo, too: ${told.join('; ')}.`;
}

function cut(text: string, charactersMax: number): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length <= charactersMax ? line : `${line.slice(0, charactersMax - 1)}…`;
}
