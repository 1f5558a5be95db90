/** A short campaign of each kind: the same code as `npm run campaign`, with less of everything. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { runCampaign } from '../../campaign/campaign.ts';
import { kinds } from '../../campaign/kinds.ts';

const seconds = 14;

/** Of the faults at least so many must have happened; fewer would prove nothing. */
const leastFaults: Readonly<Record<string, number>> = { kills: 15, pauses: 6, network: 8, redis: 5, database: 1 };

describe('a short campaign', () => {
  // One after the other: another file runs beside this one, and more at once would starve one another on two cores.
  test.each(kinds.map((kind) => ({ kind, name: kind.name })))(
    'of $name loses nothing, repeats nothing, and catches what is known to be wrong',
    async ({ kind }) => {
      const verdict = await runCampaign({ kind, seed: 20_261_121, seconds });
      const { figures, controls, failures, passed, gaps, repeats } = verdict;
      expect(failures).toEqual([]);
      expect({ passed, gaps, repeats }).toEqual({ passed: true, gaps: 0, repeats: 0 });
      expect(controls.map(({ name }) => name)).toEqual(kind.controls);
      for (const { name, found } of controls) expect(found, name).toBeGreaterThan(0);
      expect(figures[kind.headline], kind.headline).toBeGreaterThanOrEqual(leastFaults[kind.name] as number);
      for (const [figure, least] of [
        ['runs', 10],
        ['versions committed', 100],
        ['of these more than a second late', 10],
        ['rolled back', 1],
        ['table locks', kind.name === 'database' ? 0 : 1], // one under way falls with its server
        ['windows with rows', 6],
        ['ledger calls', 50],
        ['ledgers closed', 1],
      ] as const)
        expect(figures[figure], figure).toBeGreaterThanOrEqual(least);
    },
    240_000,
  );
});

describe('npm run campaign', () => {
  const main = fileURLToPath(new URL('../../campaign/main.ts', import.meta.url));
  const run = (...args: string[]) =>
    new Promise<{ code: unknown; stderr: string }>((resolve) => {
      execFile(process.execPath, ['--import', 'tsx', main, ...args], (error, _, stderr) =>
        resolve({ code: error?.code ?? 0, stderr }),
      );
    });

  test.each([
    {
      args: ['nothing'],
      told: 'there is no campaign "nothing": there are kills, pauses, network, redis, database, payments',
    },
    { args: ['kills', '--orders', '5'], told: '--orders and --payouts are of the kind payments, not of kills' },
    { args: [], told: 'a kind is missing: there are kills' },
    { args: ['kills', '--minutes', '1', '--seconds', '9'], told: '--minutes and --seconds exclude each other' },
    { args: ['kills', '--seed', 'x'], told: '--seed "x": expected a whole number' },
  ])('refuses $args with exit code 64, and says what there is', async ({ args, told }) => {
    const { code, stderr } = await run(...args);
    expect(code).toBe(64);
    expect(stderr).toContain(told);
  });
});
