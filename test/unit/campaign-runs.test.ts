/** What a campaign lets its processes do and say: a code that needs words is wrong without them. */
import { expect, test } from 'vitest';
import { Runs } from '../../campaign/runs.ts';

const outOfDate =
  'tidemark: settle-month: a run moved the checkpoint while this dry run was adding up; its sums are out of date';

test.each([
  ['that ends with 1 and says that a dry run is out of date is right', 1, outOfDate, 0],
  ['that ends with 1 and says nothing is wrong', 1, '', 1],
  ['that ends with 1 and says something else is wrong, twice', 1, 'tidemark: settle-month: it failed', 2],
  ['that ends with 65 is right, for something was planted', 65, '', 0],
  ['that ends with 70 is wrong, whatever it says', 70, outOfDate, 1],
])('a run that closes months %s', async (_, code, words, complaints) => {
  const runs = new Runs(
    { codes: [0], sayings: [] },
    () => undefined,
    () => undefined,
  );
  const script = `process.stderr.write(${JSON.stringify(words)}); process.exitCode = ${code}`;
  const command = { party: 'closing', title: 'settle-month', env: {}, usualMs: 1 } as const;
  await runs.start({ ...command, program: process.execPath, args: ['-e', script] }).ended;
  expect(runs.complaints).toHaveLength(complaints);
});
