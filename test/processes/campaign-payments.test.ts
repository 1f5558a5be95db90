/** A short campaign of payments: the same code as `npm run campaign -- payments`, with less of everything. */
import { expect, test } from 'vitest';
import { runPaymentsCampaign } from '../../campaign/payments/campaign.ts';
import { everyControl } from '../../campaign/payments/controls/list.ts';

test('a short campaign of payments loses nothing, pays nothing twice, and catches what is known to be wrong', async () => {
  const verdict = await runPaymentsCampaign({ seed: 20_261_121, seconds: 15, orders: 200, payouts: 50 });
  const { figures, controls, failures, passed, gaps, repeats } = verdict;
  expect(failures).toEqual([]);
  expect({ passed, gaps, repeats }).toEqual({ passed: true, gaps: 0, repeats: 0 });
  expect(controls.map(({ name }) => name)).toEqual(everyControl);
  for (const { name, found } of controls) expect(found, name).toBeGreaterThan(0);
  for (const [figure, least] of [
    ['orders', 150], // some are refused, or get no answer before they expire
    ['payouts', 30],
    ['paid orders', 50],
    ['given back to buyers', 1],
    ['paid payouts', 20],
    ['kills of runs', 2],
    ['kills of shops and receivers', 5],
    ['flushes', 2],
  ] as const)
    expect(figures[figure], figure).toBeGreaterThanOrEqual(least);
  expect(figures['most in a second'], 'most in a second').toBeLessThanOrEqual(100);
}, 300_000);
