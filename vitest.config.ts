/**
 * How the tests run. Unit tests, and tests of one thing against real servers, four files at a time: much of what they do
 * is to wait for a server. Then, fewer at a time, those with many processes of their own, which starve one another.
 * Tests with servers share one pair of private ones, which is started only when such a test is about to run
 * (`npx vitest run --project unit` starts none).
 */
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const withServers = ['test/support/global-setup.ts'];
const first = { maxWorkers: 4, sequence: { groupOrder: 0 } };
const then = { maxWorkers: 2, sequence: { groupOrder: 1 } };

/** The longest files begin first, so that none of them is left running alone. Vitest goes by size, and theirs is small. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => /crash-points|campaign/.test(moduleId);
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    testTimeout: 180_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    reporters: ['default', 'json'],
    outputFile: { json: 'node_modules/.cache/test-report.json' },
    projects: [
      // Files of pure tests may share what they load.
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate: false, ...first } },
      {
        extends: true,
        test: {
          name: 'servers',
          include: ['test/integration/**/*.test.ts', 'test/fault/**/*.test.ts'],
          globalSetup: withServers,
          ...first,
        },
      },
      {
        extends: true,
        test: {
          name: 'processes',
          include: ['test/processes/**/*.test.ts'],
          globalSetup: withServers,
          ...then,
        },
      },
    ],
  },
});
