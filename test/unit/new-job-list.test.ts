/** One job more in the file that lists them. */
import { expect, test } from 'vitest';
import { newList, withJob } from '../../src/cli/new-job/list.ts';

const add = (text: string) => withJob(text, 'jobs/index.js', 'syncCoupon', './sync-coupon.js');

test('a short list stays a line, and imports stay in order', () => {
  const text = `/** Jobs. */
import { copyUsers } from './copy-users.js';
import { syncOrders } from './sync-orders.js';

export const jobs = [syncOrders, copyUsers];
`;
  expect(add(text)).toBe(`/** Jobs. */
import { copyUsers } from './copy-users.js';
import { syncCoupon } from './sync-coupon.js';
import { syncOrders } from './sync-orders.js';

export const jobs = [syncOrders, copyUsers, syncCoupon];
`);
});

test('a list of several lines gets one more; comments in it stay', () => {
  const text = `import type { Job } from 'tidemark';
import { one } from './one.js';
import { two } from './two.js';

export const jobs: readonly Job[] = [
  one, // first
  two,
];
`;
  expect(add(text)).toContain('  one, // first\n  two,\n  syncCoupon,\n];');
  expect(add(text.replace(' // first', ''))).toContain('= [\n  one,\n  two,\n  syncCoupon,\n];');
  expect(add(text)).toContain("'./one.js';\nimport { syncCoupon } from './sync-coupon.js';\nimport { two }");
});

test('a line that would be too long becomes several', () => {
  const names = Array.from({ length: 12 }, (_, index) => `jobWithANameNumber${index}`);
  const added = add(`export const jobs = [${names.join(', ')}];\n`);
  expect(added).toContain('= [\n  jobWithANameNumber0,\n');
  expect(added).toContain('\n  jobWithANameNumber11,\n  syncCoupon,\n];');
});

test('an empty list, and no import yet', () => {
  expect(add('export const jobs = [];\n')).toBe(
    "import { syncCoupon } from './sync-coupon.js';\n\nexport const jobs = [syncCoupon];\n",
  );
  expect(add(newList('other', './other.js', true))).toContain('[other, syncCoupon]');
});

test('what is no such list is left alone', () => {
  expect(() => add('export default [];\n')).toThrow('jobs/index.js has no list that begins with');
  expect(() => add("import { syncCoupon } from './x.js';\nexport const jobs = [];\n")).toThrow(
    'knows a syncCoupon already',
  );
});
