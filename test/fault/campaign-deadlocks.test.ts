/** A campaign must tell whose a deadlock was: real ones are made here, and read from the server's log. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { judgeDeadlocks, readDeadlocks } from '../../campaign/deadlocks.ts';
import { openAsApplication } from '../../campaign/sessions.ts';
import { type Account, Stage } from '../../campaign/stage.ts';
import type { Session } from '../../src/platform/mysql.ts';

const rowLock = (account: Account, id: number) =>
  account === 'runner'
    ? `SELECT id FROM plus_commission_log_1 WHERE id = ${id} LOCK IN SHARE MODE`
    : `UPDATE plus_commission_log_1 SET amount = amount + 1 WHERE id = ${id}`;

describe('deadlocks in the source', () => {
  let stage: Stage;
  let earlier: number;
  beforeAll(async () => {
    stage = await Stage.raise();
  });
  beforeEach(async () => {
    earlier = (await readDeadlocks(stage.servers.source.mariadbLog)).length;
  });
  afterAll(() => stage.strike());

  const reports = async () => (await readDeadlocks(stage.servers.source.mariadbLog)).slice(earlier);

  async function withSessions(accounts: readonly Account[], work: (...sessions: Session[]) => Promise<unknown>) {
    const sessions = await Promise.all(accounts.map((account) => openAsApplication(stage.url(account, 'plus'))));
    try {
      return await work(...sessions);
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  }

  /** Each takes a row, and then wants the other's. Answers how many were told of a deadlock. */
  async function cross(one: Account, other: Account): Promise<number> {
    const told = await withSessions([one, other], async (...sessions) => {
      const lock = (index: number, id: number) =>
        (sessions[index] as Session).write(rowLock(index === 0 ? one : other, id));
      for (const session of sessions) await session.write('START TRANSACTION');
      await lock(0, 11);
      await lock(1, 21);
      return Promise.allSettled([lock(0, 21), lock(1, 11)]);
    });
    return (told as PromiseSettledResult<unknown>[]).filter(({ status }) => status === 'rejected').length;
  }

  test('are counted, and no failure, when they are among writers alone', async () => {
    expect(await cross('writer', 'writer')).toBe(1);
    expect(judgeDeadlocks(await reports(), 1)).toEqual({ amongWriters: 1, failures: [] });
  });

  test('are a failure, with the report, when one of the transactions was tidemark’s', async () => {
    expect(await cross('runner', 'writer')).toBe(1);
    const { amongWriters, failures } = judgeDeadlocks(await reports(), 1);
    expect(amongWriters).toBe(0);
    expect(failures).toEqual([
      expect.stringMatching(/^1 deadlocks in the source name campaign_runner:[\s\S]*LOCK IN SHARE/),
    ]);
  });

  test('are a failure when a writer was told of one that InnoDB has not reported, as behind a table lock', async () => {
    await withSessions(['writer', 'writer'], async (reader, locker) => {
      await reader?.write('START TRANSACTION');
      await reader?.tuples('SELECT id FROM plus_commission_log_1 WHERE id = 11');
      const locked = locker?.write('LOCK TABLES plus_commission_log_1 WRITE');
      await untilWaiting(stage);
      await expect(reader?.write(rowLock('writer', 11))).rejects.toMatchObject({ errno: 1213 });
      await reader?.write('ROLLBACK');
      await locked;
    });
    expect(judgeDeadlocks(await reports(), 1)).toEqual({
      amongWriters: 0,
      failures: ['1 deadlocks of writers are not explained by any report of InnoDB'],
    });
  });
});

async function untilWaiting(stage: Stage): Promise<void> {
  const session = await stage.open('source');
  const waiting = `SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata lock'`;
  while ((await session.tuples(waiting)).length === 0) await sleep(10);
  await session.close();
}
