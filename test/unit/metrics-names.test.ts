/** The dashboard names only metrics that there are; the metrics are named as Prometheus asks. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { jobs } from '../../jobs/index.ts';
import { Zone } from '../../src/engine/zone.ts';
import { metricsText } from '../../src/metrics/metrics.ts';
import { Config } from '../../src/platform/config.ts';
import type { Databases } from '../../src/platform/databases.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { lintMetrics } from '../support/metrics-lint.ts';

/** Databases that know nothing yet. */
const empty = {
  open: async () =>
    ({ tuples: async () => [], rows: async () => [], close: async () => undefined }) as unknown as Session,
} as unknown as Databases;

const settings = { MAIN_DATABASE_URL: 'mysql://a@h/main', LEDGER_DATABASE_URL: 'mysql://a@h/ledger' };
const textOf = () =>
  metricsText(jobs, {
    config: Config.read({ environment: settings, workingFolder: '/' }),
    databases: empty,
    zone: new Zone('Asia/Shanghai'),
  });
const namesIn = (text: string) => new Set(text.match(/\btidemark_[a-z_]+/g));

describe('metrics', () => {
  test('are named as Prometheus asks, with help, type and unit, also before the first run', async () => {
    expect(lintMetrics(await textOf())).toEqual([]);
  });

  test('the linter finds what promtool finds', () => {
    const wrong = [
      '# TYPE tidemark_runs counter\ntidemark_runs 1',
      '# HELP tidemark_lag_total Lag.\n# TYPE tidemark_lag_total gauge\ntidemark_lag_total 1',
      '# HELP tidemark_lag_ms Lag.\n# TYPE tidemark_lag_ms gauge\ntidemark_lag_ms 1',
      '# HELP tidemark_lagGauge Lag.\n# TYPE tidemark_lagGauge gauge\ntidemark_lagGauge 1',
      '# HELP tidemark_x X.\n# TYPE tidemark_x gauge\ntidemark_x{jobName="a"} 1',
      '# HELP tidemark_x X.\n# TYPE tidemark_x gauge\ntidemark_x{job="a"} 1',
      '# HELP tidemark_x X.\n# TYPE tidemark_x gauge\ntidemark_x 1\ntidemark_x 2',
      'tidemark_x one',
    ];
    for (const text of wrong) expect(lintMetrics(text), text).not.toEqual([]);
  });

  test('that the dashboard shows are there', async () => {
    const dashboard = JSON.parse(readFileSync(new URL('../../dashboards/tidemark.json', import.meta.url), 'utf8'));
    const expressions: string[] = dashboard.panels.flatMap((panel: { targets: { expr: string }[] }) =>
      panel.targets.map(({ expr }) => expr),
    );
    const variables: string[] = dashboard.templating.list.map(({ query }: { query: unknown }) => JSON.stringify(query));
    const shown = namesIn([...expressions, ...variables].join('\n'));
    const there = namesIn(await textOf());
    expect([...shown].filter((name) => !there.has(name))).toEqual([]);
    for (const what of ['lag', 'outcome', 'rows_total', 'dead_letters'])
      expect(
        expressions.some((text) => text.includes(what)),
        what,
      ).toBe(true);
  });
});
