import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { runMatters } from '../../src/alarms/run-matters.ts';
import type { Job } from '../../src/engine/job.ts';
import { Zone } from '../../src/engine/zone.ts';
import type { Session } from '../../src/platform/mysql.ts';

const zone = new Zone('Asia/Shanghai');
const now = Date.now() + 600_000; // a killed run is left to the next start for five minutes
const job = {
  name: 'check',
  shards: [],
  schedule: '* * * * *',
  target: 'ledger',
  work: () => undefined,
} as unknown as Job;

/** Of a run that has not ended, begun at an instant by the process that runs this test, as its number says. */
async function toldOf(begun: number): Promise<string[]> {
  const run = [7, 'run-7', 'due', hostname().slice(0, 64), process.pid, zone.text(begun), 1, null, null];
  const session = { tuples: async () => [run] } as unknown as Session;
  const deadlines = { start: now - 86_400_000, lag: now - 86_400_000 };
  const matters = await runMatters({ job, shard: '', session, zone, now, deadlines, failuresMax: 3 });
  return matters.map(({ key, what }) => `${key}: ${what}`);
}

// Where the kernel does not tell when a process began, the number alone must do.
test.skipIf(!existsSync('/proc/self/stat'))(
  'a process that has got the number of a killed run is not that run',
  async () => {
    expect(await toldOf(now - 30 * 86_400_000)).toEqual([
      expect.stringMatching(/^stuck:check.*: its process is gone$/),
    ]);
    expect(await toldOf(Date.now())).toEqual([]);
  },
);
