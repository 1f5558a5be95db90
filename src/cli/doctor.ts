/** `tidemark doctor`: what is fine in a line a group, what is not with its reason and the way out. */
import type { Command } from 'commander';
import { type Group, groups, type State, type Told } from '../doctor/check.ts';
import { examine } from '../doctor/examination.ts';
import type { Job } from '../engine/job.ts';
import { Zone } from '../engine/zone.ts';
import { Config } from '../platform/config.ts';
import { exitCodes } from '../platform/errors.ts';
import type { Reader } from '../platform/mysql.ts';
import { checkCrontab } from '../schedule/check-crontab.ts';
import { type App, jobsInUse } from './app.ts';
import { checkSetting } from './crontab.ts';
import { painted, wrapped } from './looks.ts';
import { migrationsOf } from './migrate.ts';
import { print, printJson } from './output.ts';

const titles: Record<Group, string> = {
  settings: 'Settings',
  servers: 'Servers',
  privileges: 'Privileges',
  tables: 'Tables and indexes',
  time: 'Clocks and zones',
  redis: 'Redis',
  host: 'This host',
  work: 'Runs and schedules',
};

const symbols = { fine: '✓', doubtful: '!', broken: '✗', 'not-looked-at': '-' } as const;
const meanings = { fine: 'good', doubtful: 'doubtful', broken: 'bad', 'not-looked-at': 'quiet' } as const;
const words = { fine: 'fine', doubtful: 'doubtful', broken: 'broken', 'not-looked-at': 'not looked at' } as const;

export async function doctor(
  app: App,
  program: Command,
  wanted: readonly Group[],
  options: { verbose?: true; json?: true },
): Promise<number> {
  const examined = Config.examine();
  const { config } = examined;
  const zone = new Zone(config.need('TIDEMARK_TIMEZONE'));
  const patient = {
    ...examined,
    jobs: jobsInUse(app, config),
    zone,
    crontabFlaws: (text: string, isSystemFile: boolean) =>
      checkCrontab(text, { ...checkSetting(app, program, config), isSystemFile }),
    migrationsOf: (target: Job['target'], reader: Reader) => migrationsOf(app, { config }, reader, target),
  };
  const told = await examine(patient, wanted.length === 0 ? groups : wanted);
  if (options.json) printJson({ state: gravest(told), ...counts(told), findings: told });
  else await report(told, options.verbose === true);
  return gravest(told) === 'broken' ? exitCodes.settings : exitCodes.done;
}

const count = (told: readonly Told[], state: State): number => told.filter((one) => one.state === state).length;

const counts = (told: readonly Told[]) => ({
  fine: count(told, 'fine'),
  doubtful: count(told, 'doubtful'),
  broken: count(told, 'broken'),
  notLookedAt: count(told, 'not-looked-at'),
});

const gravest = (told: readonly Told[]): State =>
  (['broken', 'doubtful'] as const).find((state) => count(told, state) > 0) ?? 'fine';

const coloured = (state: State, text: string): string => painted(meanings[state], text);

const order = ['broken', 'doubtful', 'not-looked-at', 'fine'] as const;

async function report(told: readonly Told[], verbose: boolean): Promise<void> {
  for (const group of groups) {
    const own = told.filter((one) => one.group === group);
    if (own.length === 0) continue;
    print(`${titles[group].padEnd(20)}${summary(own)}`);
    for (const state of order) {
      const here = own.filter((one) => one.state === state);
      if (state === 'not-looked-at') await leftOut(here, verbose);
      else if (verbose || state !== 'fine') for (const finding of here) await tell(finding);
    }
  }
  print(`\n${summary(told)}`);
  const first = told.find(({ state, next }) => state === 'broken' && next.length > 0);
  if (first !== undefined) print(`Begin with: ${first.next[0]}`);
}

/** By what kept one from looking; what it was only for who asks. */
async function leftOut(told: readonly Told[], verbose: boolean): Promise<void> {
  for (const why of new Set(told.map((one) => one.why))) {
    const abouts = told.filter((one) => one.why === why).map(({ says }) => says);
    const says = `not looked at, because ${why}${verbose ? `: ${abouts.join('; ')}` : ''}`;
    print(`  ${coloured('not-looked-at', symbols['not-looked-at'])} ${await wrapped(says, 4)}`);
  }
}

/** `12 fine, 1 broken`, the gravest first. */
function summary(told: readonly Told[]): string {
  return order
    .filter((state) => count(told, state) > 0)
    .map((state) => coloured(state, `${count(told, state)} ${words[state]}`))
    .join(', ');
}

async function tell({ state, says, why, next }: Told): Promise<void> {
  print(`  ${coloured(state, symbols[state])} ${await wrapped(says, 4)}`);
  if (why !== null) print(`      why   ${await wrapped(why, 12)}`);
  for (const [index, one] of next.entries()) print(`      ${index === 0 ? 'next' : '    '}  ${one}`); // whole, to be copied
}
