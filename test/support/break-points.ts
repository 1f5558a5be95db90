/**
 * Breaks a run at every statement and every Redis command that it sends, in every way that makes sense, and compares
 * what is left, after the next run of cron, with a run that nobody disturbed.
 *
 * Promises: the same points in every run, each struck for certain; the whole state is compared, not what a test thinks
 * of. What a state leads to is found out once: a broken run that leaves rows, keys and history as another one did, and
 * no connection, is not followed by a second run again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { jobs } from '../../jobs/index.ts';
import { CheckpointCopies } from '../../src/engine/checkpoint-copy.ts';
import type { Job } from '../../src/engine/job.ts';
import type { Request, Setting, ShardResult } from '../../src/engine/run.ts';
import { runShard } from '../../src/engine/runner.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { RedisCopy } from '../../src/platform/redis.ts';
import { FinalState, type StateOptions } from './final-state.ts';
import { type Fault, type Point, type Strike, type Way, Wires } from './wires.ts';
import type { World } from './world.ts';

type Kind = 'connect' | 'redis' | 'statement' | 'locking statement';

const before: readonly Way[] = ['before it is sent'];
const unanswered: readonly Way[] = ['before it is sent', 'the answer lost'];
const always: readonly Way[] = ['before it is sent', 'the answer lost', 'after the answer'];

/**
 * What is broken, and how. To connect can fail in one way only; who hangs has no answer to go on from; a server refuses
 * a statement (1205, 1213) in place of doing it, and only one that may have to wait for others.
 */
const meant: Readonly<Record<Fault, Readonly<Record<Kind, readonly Way[]>>>> = {
  killed: { connect: before, redis: always, statement: always, 'locking statement': always },
  reset: { connect: before, redis: always, statement: always, 'locking statement': always },
  hang: { connect: before, redis: unanswered, statement: unanswered, 'locking statement': unanswered },
  'server gone': { connect: before, redis: unanswered, statement: unanswered, 'locking statement': unanswered },
  'lock wait timeout': { connect: [], redis: [], statement: [], 'locking statement': before },
  deadlock: { connect: [], redis: [], statement: [], 'locking statement': before },
};

export const faults = Object.keys(meant) as readonly Fault[];

/** Reads and writes of tables, which wait for rows or for a change of the table, and commits, which a cluster may refuse. */
const mayWait = /^\s*(INSERT|UPDATE|DELETE|COMMIT|SELECT\b[\s\S]*\bFROM\s+(?!information_schema))/i;

const changes = /^\s*(INSERT|UPDATE|DELETE|COMMIT|eval)/i;
/** Who takes a lock and hangs keeps it from others. */
const locks = /\b(FOR UPDATE|GET_LOCK)\b/i;

/**
 * The points that a fault is to strike in one scene of several: what changes something, where it is sent first and where
 * it is sent last; and of what changes nothing that whose like it has struck in no scene so far. To be killed costs little,
 * and strikes everything; so does every fault with `TIDEMARK_TEST_NIGHT`.
 *
 * @param known the likes that were struck, over all scenes; grows
 */
export function worthStriking(fault: Fault, points: readonly Point[], known: Set<string>): readonly Point[] {
  if (fault === 'killed' || process.env.TIDEMARK_TEST_NIGHT !== undefined) return points;
  const likes = points.map(({ connection, text }) => `${fault} ${connection} ${text.replaceAll(/'[^']*'|\d+/g, '?')}`);
  const places = { first: new Map<string, number>(), last: new Map(likes.map((like, place) => [like, place])) };
  return points.filter(({ text }, place) => {
    const like = likes[place] as string;
    const isNew = !known.has(like);
    known.add(like);
    if (!places.first.has(like)) places.first.set(like, place);
    return isNew || (changes.test(text) && [places.first.get(like), places.last.get(like)].includes(place));
  });
}

/**
 * The ways in which a fault is to strike a point. Behind its answer, and ahead of the next statement of the same
 * connection, is one moment, in which nothing else is sent; who is killed knows of no answer, lost or not; and what
 * changes nothing is as if it had not been sent when its answer is lost. What another strike tells anyway is left out, but
 * with `TIDEMARK_TEST_NIGHT`.
 */
function waysOf(fault: Fault, point: Point, next: Point | undefined): readonly Way[] {
  const ways = meant[fault][kindOf(point)];
  if (next?.connection !== point.connection || process.env.TIDEMARK_TEST_NIGHT !== undefined) return ways;
  if (fault === 'killed' || !(changes.test(point.text) || locks.test(point.text))) return ways.slice(0, 1);
  return ways.filter((way) => way !== 'after the answer');
}

function kindOf({ place, protocol, text }: Point): Kind {
  if (place === 0) return 'connect';
  if (protocol === 'redis') return 'redis';
  return mayWait.test(text) ? 'locking statement' : 'statement';
}

/** A run to break, and the state that it begins with: the world's when the scene is set. */
export interface Scene extends StateOptions {
  readonly job: string;
  readonly shard: string;
  readonly request: Partial<Request>;
  readonly windowRows: number;
  /** Where the servers' clocks stand, in the business zone. */
  readonly clock: string;
  /** Puts something wrong between the engine and its target. */
  readonly spoil?: (target: Session) => Session;
}

/** Every count of a window as it is. */
export const exactCounts = `CONCAT_WS(' ', 'read', rows_read, inserted, updated, unchanged, 'refused', dead_letters)`;

interface Report {
  readonly strikes: number;
  /** What each strike that did harm was, and the harm. */
  readonly wrong: readonly string[];
}

const firstRun = '00000000-0000-4000-8000-00000000000a';
const secondRun = '00000000-0000-4000-8000-00000000000b';
/** In real time, and the run's own limits have struck: whoever still waits then waits for ever. */
const patienceMs = 20_000;
const anHourMs = 3_600_000;

/** One run in a world whose clocks stand still; limits strike when the wires say so. */
export async function runOn(
  world: World,
  wires: Wires,
  scene: Omit<Scene, keyof StateOptions>,
  runId: string,
): Promise<ShardResult> {
  const setting = world.setting();
  const now = world.zone.fromText(scene.clock) as number;
  const { REDIS_URL, TIDEMARK_REDIS_PREFIX } = world.settings as Record<string, string>;
  const openRedis = () => wires.opening('redis', () => RedisCopy.open(REDIS_URL as string));
  const copies = new CheckpointCopies(openRedis, TIDEMARK_REDIS_PREFIX as string);
  const spoil = scene.spoil ?? ((target) => target);
  const plain: Request = {
    kind: 'windows',
    range: null,
    dryRun: false,
    maxWindows: Number.POSITIVE_INFINITY,
    waitForLock: true, // the server may still be taking leave of the run before
  };
  const job = jobs.find(({ name }) => name === scene.job) as Job;
  const whole: Setting = {
    ...setting,
    copies,
    clock: { now: () => now, sleep: async () => undefined },
    openTarget: async (one) => spoil(await wires.opening('target', () => setting.openTarget(one))),
    openSource: () => wires.opening('source', () => setting.openSource()),
    openDatabase: (name) => wires.opening('upstream', () => setting.openDatabase(name)),
    windowRows: scene.windowRows,
    stallTimeoutMs: anHourMs,
    halt: { soon: new AbortController().signal, now: new AbortController().signal },
  };
  const request = { ...plain, ...scene.request };
  const result = await wires.around(() => runShard(job, scene.shard, runId, request, whole));
  await copies.close();
  return result;
}

export function wiresOf(world: World, clock: string, strike: Strike | null = null): Wires {
  return new Wires((world.zone.fromText(clock) as number) / 1000, strike);
}

export class BreakPoints {
  /** What an undisturbed run sends. */
  readonly points: readonly Point[];
  /** What it leaves. */
  readonly expected: readonly string[];
  readonly #world: World;
  readonly #scene: Scene;
  readonly #state: FinalState;
  /** What a second run makes of a state: nothing wrong, or what is. */
  readonly #verdicts = new Map<string, string>();

  private constructor(world: World, scene: Scene, state: FinalState, points: readonly Point[], expected: string[]) {
    this.#world = world;
    this.#scene = scene;
    this.#state = state;
    this.points = points;
    this.expected = expected;
  }

  /** Runs undisturbed, from the world as it is, and leaves the world as it was. */
  static async of(world: World, scene: Scene): Promise<BreakPoints> {
    const { target } = jobs.find(({ name }) => name === scene.job) as Job;
    const state = await FinalState.remember(world, world[target], scene);
    const wires = wiresOf(world, scene.clock);
    const result = await runOn(world, wires, scene, firstRun);
    if (result.error !== null) throw result.error;
    const { lines } = await state.look();
    await state.restore();
    return new BreakPoints(world, scene, state, wires.points, lines.map(withoutRun));
  }

  /** Strikes each of the points in each way that is meant for this fault, and leaves the world as it was. */
  async strikeAll(fault: Fault, points: readonly Point[]): Promise<Report> {
    const wrong: string[] = [];
    let strikes = 0;
    for (const point of points) {
      for (const way of waysOf(fault, point, this.points[this.points.indexOf(point) + 1])) {
        strikes += 1;
        const harm = await this.#strike({ point, way, fault });
        const where = `${fault}, ${way}: ${point.connection}, ${point.place}: ${point.text.replace(/\s+/g, ' ').slice(0, 120)}`;
        if (harm !== '') wrong.push(`${where}\n    ${harm}`);
      }
    }
    await this.#state.restore();
    return { strikes, wrong };
  }

  async #strike(strike: Strike): Promise<string> {
    await this.#state.restore();
    const wires = wiresOf(this.#world, this.#scene.clock, strike);
    const ended = runOn(this.#world, wires, this.#scene, firstRun).then(() => 'ended');
    const patience = new AbortController();
    const stuck = sleep(patienceMs, 'stuck', { signal: patience.signal });
    stuck.catch(() => undefined); // nobody waits for it any more
    const end = await Promise.race([ended, wires.killed.then(() => 'killed'), stuck]);
    patience.abort();
    const { leftOpen } = wires;
    wires.close();
    if (!wires.struck) return 'the strike did not happen';
    if (end === 'stuck') return 'the run hangs for ever';
    if (end === 'ended' && leftOpen.length > 0) return `the run left connections open: ${leftOpen.join(', ')}`;
    return this.#verdict();
  }

  async #verdict(): Promise<string> {
    const { lines, runs } = await this.#state.look();
    const left = [...lines, ...runs.map((line) => line.replace(/ \d+ /, ' '))].join('\n');
    const known = this.#verdicts.get(left);
    if (known !== undefined) return known;
    const verdict = await this.#runAgain();
    this.#verdicts.set(left, verdict);
    return verdict;
  }

  /** As cron would: the same job once more, and nobody disturbs it. */
  async #runAgain(): Promise<string> {
    const wires = wiresOf(this.#world, this.#scene.clock);
    const { error, outcome } = await runOn(this.#world, wires, this.#scene, secondRun);
    wires.close();
    if (error !== null) return `the next run fails: ${(error as Error).message}`;
    const { lines, runs } = await this.#state.look();
    const found = lines.map(withoutRun);
    const missing = without(this.expected, found).map((line) => `- ${line}`);
    const surplus = without(found, this.expected).map((line) => `+ ${line}`);
    if (missing.length + surplus.length > 0)
      return ['not as after an undisturbed run:', ...missing, ...surplus].join('\n    ');
    const mine = runs.map((line) => line.split(' ')[2]).filter((id) => id === firstRun || id === secondRun);
    const inOrder = mine.at(-1) === secondRun && mine.length <= 2 && (mine.length === 1 || mine[0] === firstRun);
    if (!inOrder || !runs.at(-1)?.endsWith(` ${outcome}`))
      return `the history of runs is wrong:\n    ${runs.join('\n    ')}`;
    return '';
  }

  /** How many different states broken runs have left so far. */
  get statesSeen(): number {
    return this.#verdicts.size;
  }
}

/** What is left of some lines when each of the others has taken one of its like away. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const rest = [...others];
  return lines.filter((line) => {
    const index = rest.indexOf(line);
    if (index >= 0) rest.splice(index, 1);
    return index < 0;
  });
}

const withoutRun = (line: string) => line.replaceAll(firstRun, '(run)').replaceAll(secondRun, '(run)');
