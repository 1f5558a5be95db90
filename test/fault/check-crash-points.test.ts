/**
 * The check killed at every statement, every script in Redis and every request to the provider: before it is sent, and
 * when it is done but nobody has heard of it. Time passes, the next run comes, and all is as if nothing had happened.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import { checkJob } from '../../jobs/check-pending-payments.ts';
import { type Clock, systemClock } from '../../src/engine/clock.ts';
import type { Request } from '../../src/engine/run.ts';
import { runShard } from '../../src/engine/runner.ts';
import { Session } from '../../src/platform/mysql.ts';
import { RedisLink } from '../../src/platform/redis.ts';
import { until } from '../support/cli-tools.ts';
import { answered } from '../support/intercept.ts';
import { addThings, createThings, Gateway, openThings, type Word } from '../support/thing-book.ts';
import { World } from '../support/world.ts';

type Way = 'before it is sent' | 'the answer lost';

const never = new Promise<never>(() => undefined);

/** A process: counts what it sends, and is dead from one of these on. */
class Mortal {
  readonly sent: string[] = [];
  readonly died: Promise<void>;
  readonly #at: number;
  readonly #way: Way;
  #die: () => void = () => undefined;
  #isDead = false;

  constructor(at = Number.POSITIVE_INFINITY, way: Way = 'before it is sent') {
    this.#at = at;
    this.#way = way;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  async send<Answer>(what: string, send: () => Promise<Answer>): Promise<Answer> {
    if (this.#isDead) return never;
    this.sent.push(what);
    const isLast = this.sent.length - 1 === this.#at;
    if (isLast) this.#isDead = true;
    if (isLast && this.#way === 'before it is sent') return this.#end();
    const answer = await send().catch((error: unknown) => {
      if (this.#isDead) return never; // its connections have ended with it
      throw error;
    });
    return isLast ? this.#end() : this.#isDead ? never : answer;
  }

  /** Nobody wakes up who has died asleep. */
  readonly clock: Clock = {
    now: systemClock.now,
    sleep: async (ms, signal) => {
      await systemClock.sleep(ms, signal);
      if (this.#isDead) await never;
    },
  };

  #end(): Promise<never> {
    this.#die();
    return never;
  }
}

describe('the check, killed', () => {
  let world: World;
  let gateway: Gateway;
  let living: Mortal;
  /** Which process a connection belongs to. */
  const owners = new WeakMap<RedisLink, Mortal>();
  beforeAll(async () => {
    world = await World.create(inject('servers'), { ledger: true, settings: { TIDEMARK_PROVIDER_RATE: '1000' } });
    await createThings(world.ledger);
    gateway = await Gateway.start();
    gateway.answer = (id): Word => (id === 2 ? 'stuck' : id === 5 ? 'later' : 'ended');
    const open = Session.open.bind(Session);
    vi.spyOn(Session, 'open').mockImplementation(async (options) => {
      const mine = living;
      const session = await open(options);
      void mine.died.then(() => session.destroy());
      return answered(session, (sql, parameters, send) => mine.send(sql, () => send(sql, parameters)));
    });
    const run = RedisLink.prototype.run;
    vi.spyOn(RedisLink.prototype, 'run').mockImplementation(function (this: RedisLink, ...parameters) {
      const mine = owners.get(this) ?? living;
      owners.set(this, mine);
      return mine.send(`Redis: ${parameters[1]}`, () => run.apply(this, parameters));
    });
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await gateway.stop();
    await world.destroy();
  });

  /** Things 1 to 5 are due, of which 2 gets stuck and 5 has to wait; 3 and 4 have letters, and 4 has ended since. */
  beforeEach(prepare);
  async function prepare(): Promise<void> {
    for (const table of ['thing', 'tidemark_dead_letter', 'tidemark_run'])
      await world.ledger.write(`DELETE FROM ${table}`);
    await world.redis.del(...['alipay', 'wechat'].map((name) => `${world.settings.TIDEMARK_REDIS_PREFIX}due:${name}`));
    await addThings(world.ledger, { count: 5 });
    await world.ledger.write('UPDATE thing SET next_at = NULL WHERE id = 4');
    await world.ledger.write(
      `INSERT INTO tidemark_dead_letter (job, shard, row_key, content, reason, code, attempts, run_id, first_at, last_at)
       SELECT 'check-pending-payments', '', CONCAT('order:', seq), '{}', 'stuck', 0, 1, '', NOW(), NOW() FROM seq_3_to_4`,
    );
    gateway.asked.splice(0);
  }

  async function run(mortal: Mortal, request: Partial<Request> = {}): Promise<string> {
    living = mortal;
    const job = checkJob(async (setting, limiter) => {
      const { book, close } = openThings({
        url: setting('LEDGER_DATABASE_URL') as string,
        gateway: gateway.address,
        limiter,
        around: (ask) => mortal.send('HTTP', ask),
      });
      return { books: [book], close };
    });
    const plain = { kind: 'windows', range: null, dryRun: false, maxWindows: 1, waitForLock: false } as const;
    const halt = { soon: new AbortController().signal, now: new AbortController().signal };
    const setting = world.setting({ halt, clock: mortal.clock });
    const done = runShard(job, '', crypto.randomUUID(), { ...plain, ...request }, setting);
    const end = await Promise.race([done.then(({ outcome }) => outcome), mortal.died.then(() => 'killed')]);
    await setting.copies.close();
    return end;
  }

  const state = async () => ({
    ended: (await world.ledger.tuples('SELECT id FROM thing WHERE next_at IS NULL ORDER BY id')).flat().map(Number),
    due: (await world.ledger.tuples('SELECT id FROM thing WHERE next_at <= NOW(3)')).flat(),
    letters: await world.ledger.tuples('SELECT row_key, state FROM tidemark_dead_letter ORDER BY row_key, id'),
  });

  /** Whether the server has heard that the process is dead: what that had sent before is done by then. */
  const isGone = async () =>
    (
      await world.ledger.tuples(
        'SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()',
      )
    ).length === 0;

  const expected = {
    ended: [1, 3, 4],
    due: [],
    letters: [
      ['order:2', 'open'],
      ['order:3', 'resolved'],
      ['order:4', 'resolved'],
    ],
  };

  /** Kills a run at each of its points, which are a few more or less each time, lets time pass, runs again. @returns what is wrong */
  async function killEverywhere(
    kind: 'windows' | 'repair',
    points: number,
    isDueAgain = 'TRUE',
    enough = Number.POSITIVE_INFINITY,
  ): Promise<unknown[]> {
    const wrong: unknown[] = [];
    for (let at = 0; at < points + 5; at++) {
      for (const way of ['before it is sent', 'the answer lost'] as const) {
        await prepare();
        const mortal = new Mortal(at, way);
        const end = await run(mortal, { kind });
        await until(isGone);
        await world.ledger.write(
          `UPDATE thing SET next_at = NOW(3) - INTERVAL 1 SECOND WHERE next_at IS NOT NULL AND ${isDueAgain}`,
        );
        await run(new Mortal());
        const found = await state();
        const isRight = JSON.stringify(found) === JSON.stringify(expected) && gateway.askedTwiceAtOnce.length === 0;
        if (!isRight) wrong.push({ end, way, at, sent: mortal.sent.at(-1), found });
        if (wrong.length >= enough) return wrong;
      }
    }
    return wrong;
  }

  test('in a run of what is due, leaves nothing out and loses no letter', async () => {
    const undisturbed = new Mortal();
    expect(await run(undisturbed)).toBe('dead-letters');
    expect(await state()).toEqual(expected);
    expect(undisturbed.sent.length).toBeGreaterThan(50);
    expect(await killEverywhere('windows', undisturbed.sent.length)).toEqual([]);
  }, 600_000);

  test('in a repair, leaves nothing out and loses no letter', async () => {
    const undisturbed = new Mortal();
    expect(await run(undisturbed, { kind: 'repair' })).toBe('done');
    expect(undisturbed.sent.length).toBeGreaterThan(15);
    expect(await killEverywhere('repair', undisturbed.sent.length)).toEqual([]);
  }, 600_000);

  test('would lose a letter of what is stuck and never due again, and these tests see it', async () => {
    const undisturbed = new Mortal();
    await run(undisturbed);
    expect(await killEverywhere('windows', undisturbed.sent.length, 'id <> 2', 1)).not.toEqual([]);
  }, 600_000);
});
