/** Doctor, in this process: what it finds with the settings of a world. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { jobs } from '../../jobs/index.ts';
import { migrations, payOrders } from '../../migrations/index.ts';
import { migrationsOf } from '../../src/cli/migrate.ts';
import { type Group, groups, type State, type Told } from '../../src/doctor/check.ts';
import { examine } from '../../src/doctor/examination.ts';
import type { Job } from '../../src/engine/job.ts';
import { Zone } from '../../src/engine/zone.ts';
import { Config } from '../../src/platform/config.ts';
import type { Reader } from '../../src/platform/mysql.ts';

export type Settings = Readonly<Record<string, string>>;

/** Only some of the findings may be of interest. */
export async function findings(settings: Settings, group?: Group): Promise<Told[]> {
  const workingFolder = mkdtempSync(join(tmpdir(), 'tidemark-doctor-'));
  const examined = Config.examine({ environment: { ...settings }, workingFolder });
  const { config } = examined;
  const patient = {
    ...examined,
    jobs,
    zone: new Zone(config.need('TIDEMARK_TIMEZONE')),
    crontabFlaws: () => [],
    migrationsOf: (target: Job['target'], reader: Reader) =>
      migrationsOf({ jobs, migrations, payOrders }, { config }, reader, target),
  };
  return examine(patient, group === undefined ? groups : [group]);
}

/** The one finding that says this, which must be in this state. */
export function saying(told: readonly Told[], what: RegExp, state: State): Told {
  const found = told.filter(({ says }) => what.test(says));
  const all = told.map((one) => `${one.state}: ${one.says}`).join('\n');
  expect(found, all).toHaveLength(1);
  expect(found[0]?.state, all).toBe(state);
  return found[0] as Told;
}

/** What is not fine, as `state: sentence`. */
export const complaints = (told: readonly Told[]): string[] =>
  told.filter(({ state }) => state !== 'fine').map(({ state, says }) => `${state}: ${says}`);
