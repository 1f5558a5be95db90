/**
 * What there is to tell: each matter once, again after a while if it still stands, and once more when it is over.
 *
 * Who tells claims the matter first, by compare-and-set in the memory, and notes afterwards that it was told. So of
 * several who watch, one tells. Killed between the two, it is told again when the claim has run out: perhaps twice,
 * never not at all. The memory must have been read before the look: what others have noted meanwhile is theirs.
 */
import type { Instant } from '../engine/zone.ts';
import type { Sight } from './look.ts';
import type { Matter } from './matter.ts';
import { type Memory, type Standing, textMax } from './memory.ts';

export interface News {
  readonly state: 'raised' | 'reminder' | 'over';
  /** As claimed. */
  readonly matter: Standing;
  /** What follows from it, and is told with it. */
  readonly follows: readonly Standing[];
}

export interface Rules {
  readonly now: Instant;
  readonly reminderMs: number;
  /** Longer than it takes to tell. */
  readonly claimMs: number;
}

/** Brings the memory in line with what was found, and claims what is to be told. */
export async function claimNews(
  memory: Memory,
  before: readonly Standing[],
  { matters, isJudged }: Pick<Sight, 'matters' | 'isJudged'>,
  rules: Rules,
): Promise<{ news: News[]; standing: Standing[] }> {
  const known = new Map(before.map((standing) => [standing.key, standing]));
  const standing: Standing[] = [];
  const due: { state: News['state']; matter: Standing }[] = [];
  for (const matter of matters) {
    const last = known.get(matter.key) ?? null;
    const kept = await keep(memory, matter, last, rules.now);
    if (kept === undefined) continue; // somebody else tells it
    standing.push(kept);
    const state = stateOf(kept, last, rules);
    if (state !== null) due.push({ state, matter: kept });
  }
  const found = new Set(matters.map(({ key }) => key));
  for (const gone of before.filter((one) => !found.has(one.key))) {
    if (!isJudged(gone)) standing.push(gone);
    else if (isClaimed(gone, rules.now))
      continue; // it is being told: its end is told by the next look
    else if (gone.toldAt === null && gone.claimedUntil === null) await memory.swap(gone, null);
    else due.push({ state: 'over', matter: gone }); // told; or claimed by one that was killed, and may have told it
  }
  const news: News[] = [];
  for (const { state, matter } of due) {
    const claimed = await memory.swap(matter, { ...matter, claimedUntil: rules.now + rules.claimMs });
    const follows = standing.filter(({ cause }) => cause === matter.key);
    if (claimed !== undefined) news.push({ state, matter: claimed, follows });
  }
  return { news, standing };
}

/** Notes that it was told; or that it was not, so that the next watch tells it. */
export async function noteNews(memory: Memory, news: readonly News[], isTold: boolean, now: Instant): Promise<void> {
  for (const { state, matter } of news) {
    let last: Standing | undefined = matter;
    for (let left = noteTries; left > 0 && last !== undefined; left--) {
      const isOver = state === 'over' && isTold;
      const after: Standing | null = isOver
        ? null
        : { ...last, claimedUntil: null, toldAt: isTold ? now : last.toldAt };
      if ((await memory.swap(last, after)) !== undefined) break;
      // Another who watches has put it in other words meanwhile, or a person has silenced it; the claim is still ours.
      last = (await memory.read()).find((one) => one.key === matter.key && isSameClaim(one, matter));
    }
  }
}

const noteTries = 5;

/** What is remembered has whole seconds. */
const isSameClaim = (one: Standing, other: Standing): boolean =>
  Math.floor((one.claimedUntil ?? 0) / 1000) === Math.floor((other.claimedUntil ?? 0) / 1000);

async function keep(
  memory: Memory,
  { patienceMs = 0, ...found }: Matter,
  last: Standing | null,
  now: Instant,
): Promise<Standing | undefined> {
  const since = last?.since ?? found.since ?? now;
  const matter = {
    ...found,
    since,
    ripeAt: now - since < patienceMs ? since + patienceMs : null,
    what: found.what.slice(0, textMax),
    next: found.next.slice(0, textMax),
  };
  if (last === null)
    return memory.swap(null, { ...matter, toldAt: null, claimedUntil: null, silence: null, version: 0 });
  const isSame = (['what', 'next', 'cause', 'gravity', 'ripeAt'] as const).every((part) => last[part] === matter[part]);
  return isSame ? last : memory.swap(last, { ...last, ...matter });
}

function stateOf(kept: Standing, last: Standing | null, { now, reminderMs }: Rules): News['state'] | null {
  // What followed from a matter that is over is given until the next look to come right by itself.
  if (kept.cause !== null || (last !== null && last.cause !== null)) return null;
  if (kept.ripeAt !== null || isClaimed(kept, now) || (kept.silence !== null && kept.silence.until > now)) return null;
  if (kept.toldAt === null) return 'raised';
  return now - kept.toldAt >= reminderMs ? 'reminder' : null;
}

const isClaimed = ({ claimedUntil }: Standing, now: Instant): boolean => claimedUntil !== null && claimedUntil > now;

/** Remembers nothing: the same steps, for a dry run. */
export const unwritten = (memory: Memory): Memory => ({
  read: () => memory.read(),
  swap: async (_, after) => after,
});
