import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { chores } from '../../jobs/chores.ts';
import { jobs } from '../../jobs/index.ts';
import { nextAfter, readTimes } from '../../src/schedule/cron-times.ts';
import { cronJobs } from '../../src/schedule/kubernetes.ts';
import { calendars, systemdUnits } from '../../src/schedule/systemd.ts';
import { argumentsOf, startsOf, timetableOf } from '../../src/schedule/timetable.ts';
import { exampleInstall } from '../support/installs.ts';

const entries = timetableOf(jobs, chores);
const starts = entries.flatMap(startsOf);
const analyze = ['/usr/bin/systemd-analyze', '/bin/systemd-analyze'].find(existsSync) ?? '';

const dayMs = 86_400_000;

function happens(schedule: string): boolean {
  try {
    readTimes(schedule);
    return true;
  } catch {
    return false; // the 31st of February
  }
}

/** The times behind `begin` and before `end` that a calendar in UTC names, by the manual of systemd.time. */
function timesNamed(calendar: string, begin: number, end: number): number[] {
  const [, names = '', date = '', clock = ''] = /^(?:([A-Z][\w,]*) )?(\S+) (\S+) UTC$/.exec(calendar) ?? [];
  const allows = (field: string | undefined, value: number) =>
    field?.split(',').some((part) => {
      const [, from, to, step] = /^(\d+)(?:\.\.(\d+))?(?:\/(\d+))?$/.exec(part) ?? [];
      if (part === '*' || value === Number(from)) return true;
      if (value < Number(from) || (to === undefined && step === undefined) || value > Number(to ?? value)) return false;
      return (value - Number(from)) % Number(step ?? 1) === 0;
    });
  const [years, months, days] = date.split('-');
  const [hours, minutes, seconds] = clock.split(':');
  const named: number[] = [];
  for (let day = begin - (begin % dayMs); day < end; day += dayMs) {
    const on = new Date(day);
    const weekday = on.toLocaleDateString('en', { weekday: 'short', timeZone: 'UTC' });
    if (names !== '' && !names.split(',').includes(weekday)) continue;
    if (!allows(years, on.getUTCFullYear()) || !allows(months, on.getUTCMonth() + 1) || !allows(days, on.getUTCDate()))
      continue;
    for (let minute = 0; minute < 1440; minute++)
      if (allows(hours, Math.floor(minute / 60)) && allows(minutes, minute % 60))
        named.push(day + minute * 60_000 + Number(seconds) * 1000);
  }
  return named.filter((at) => at > begin && at < end);
}

describe('units of systemd', () => {
  const install = { ...exampleInstall, program: '/bin/true', user: 'root' };
  const text = systemdUnits(entries, install);
  const files = new Map(
    text
      .split(/^# file: /m)
      .slice(1)
      .map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]),
  );

  test('there is a timer for each start, and a service for each entry, a template where there are shards', () => {
    expect([...files.keys()].filter((name) => name.endsWith('.timer'))).toHaveLength(starts.length);
    expect([...files.keys()].filter((name) => name.endsWith('.service'))).toHaveLength(entries.length);
    expect(files.get('tidemark-sync-commission-log@.service')).toContain(
      'ExecStart=/bin/true run sync-commission-log %i\n',
    );
    expect(files.get('tidemark-sync-commission-log@9.timer')).toContain('OnCalendar=*-*-* *:0/2:54 Asia/Shanghai\n');
    for (const [name, unit] of files) if (name.endsWith('.timer')) expect(unit).toContain('Persistent=true');
  });

  test('folders and programs with blanks and per cents stay what they are', () => {
    const odd = { ...install, program: '/opt/my home/50%/tidemark', path: ['/opt/my node/50%', '/usr/bin'] };
    const unit = systemdUnits(entries, odd);
    expect(unit).toContain('\nEnvironment="PATH=/opt/my node/50%%:/usr/bin"\n');
    expect(unit).toContain('\nExecStart="/opt/my home/50%%/tidemark" run sync-user-extension\n');
  });

  test.skipIf(analyze === '')('systemd finds nothing wrong with them', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-units-'));
    try {
      for (const [name, unit] of files) writeFileSync(join(folder, name), unit);
      const paths = [...files.keys()].filter((name) => !name.includes('@.')).map((name) => join(folder, name));
      expect(execFileSync(analyze, ['verify', '--man=no', ...paths], { encoding: 'utf8', stdio: 'pipe' })).toBe('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.skipIf(analyze === '').each<[string, number]>([
    ['*/2 * * * *', 0],
    ['35 * 1-5 * *', 0],
    ['5 3 * * *', 0],
    ['0 0 1,15 * 1-5', 0],
    ['0 12 * 2-11/3 *', 0],
    ['59 3 1 * *', 60],
    ['59 23 28 2 *', 61],
    ['30 23 31 * 5', 3600],
  ])('the times of %s, %d s later, are those that cron means', (schedule, delaySeconds) => {
    const base = Date.parse('2026-12-28T00:00:00Z');
    const next = calendars(schedule, delaySeconds, 'UTC').map((calendar) => {
      const told = execFileSync(
        analyze,
        ['calendar', '--base-time=2026-12-28 00:00:00 UTC', '--iterations=3', calendar],
        { encoding: 'utf8', env: { TZ: 'UTC', LC_ALL: 'C' } },
      );
      return [...told.matchAll(/(?:Next elapse|Iter\. #\d|Iteration #\d): \w+ (\S+) (\S+) UTC/g)].map(
        ([, day, clock]) => Date.parse(`${day}T${clock}Z`),
      );
    });
    const expected: number[] = [];
    while (expected.length < 3) expected.push(nextAfter(schedule, expected.at(-1) ?? base, 'UTC'));
    const later = expected.map((at) => at + delaySeconds * 1000);
    expect([...new Set(next.flat())].sort((a, b) => a - b).slice(0, 3)).toEqual(later);
  });

  test('whatever the schedule and the wait behind it, the timer names the times of both', () => {
    const upTo = (least: number, most: number) => fc.integer({ min: least, max: most });
    const some = (least: number, most: number, ...more: string[]) =>
      fc.oneof(
        fc.uniqueArray(upTo(least, most), { minLength: 1, maxLength: 3 }).map((values) => values.join(',')),
        fc.tuple(upTo(least, most), upTo(0, 2)).map(([from, length]) => `${from}-${Math.min(from + length, most)}`),
        ...more.map((text) => fc.constant(text)),
      );
    const hours = some(0, 23, '23', '*/11');
    const schedules = fc
      .tuple(some(0, 59, '59'), hours, some(1, 31, '*', '*', '28', '29'), some(1, 12, '*', '2'), some(0, 6, '*', '*'))
      .map((parts) => parts.join(' '));
    const begins = fc.oneof(
      fc.constantFrom('2027-02-15', '2028-02-15', '2026-12-15'),
      upTo(1, 12).map((month) => `2029-${String(month).padStart(2, '0')}-15`),
    );
    fc.assert(
      fc.property(schedules, fc.oneof(upTo(0, 86_399), upTo(0, 120)), begins, (schedule, delaySeconds, day) => {
        fc.pre(happens(schedule));
        const [begin, end] = [Date.parse(`${day}T12:00:00Z`), Date.parse(`${day}T12:00:00Z`) + 20 * dayMs];
        const expected: number[] = [];
        for (let at = begin - delaySeconds * 1000; ; ) {
          at = nextAfter(schedule, at, 'UTC');
          if (at + delaySeconds * 1000 >= end) break;
          expected.push(at + delaySeconds * 1000);
        }
        const named = calendars(schedule, delaySeconds, 'UTC').flatMap((calendar) => timesNamed(calendar, begin, end));
        expect([...new Set(named)].sort((a, b) => a - b)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  test('a wait of a day is refused', () => {
    expect(() => calendars('0 0 * * *', 86_400, 'UTC')).toThrow('belongs to another day');
  });
});

describe('CronJobs of Kubernetes', () => {
  interface Parsed {
    kind: string;
    metadata: { name: string };
    spec: { schedule: string; timeZone: string; concurrencyPolicy: string; jobTemplate: { spec: JobSpec } };
  }
  interface JobSpec {
    completionMode?: string;
    completions?: number;
    template: { spec: { containers: [{ args?: string[]; command?: string[]; image: string }] } };
  }
  const documents = parseAllDocuments(cronJobs(entries, { businessZone: 'Asia/Shanghai', version: '1.2.3' }));
  const objects = documents.map((document) => document.toJS() as Parsed);
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-pods-'));
    writeFileSync(join(folder, 'tidemark'), '#!/bin/sh\necho "$*"\n', { mode: 0o755 });
    writeFileSync(join(folder, 'sleep'), '#!/bin/sh\necho "slept $1"\n', { mode: 0o755 });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('they are valid YAML, one CronJob for each entry, in the business zone, with names that Kubernetes takes', () => {
    for (const document of documents) expect([...document.errors, ...document.warnings]).toEqual([]);
    expect(objects.map(({ kind }) => kind)).toEqual(entries.map(() => 'CronJob'));
    expect(new Set(objects.map(({ metadata }) => metadata.name)).size).toBe(entries.length);
    for (const [index, { metadata, spec }] of objects.entries()) {
      expect(metadata.name).toMatch(/^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$/);
      expect(spec).toMatchObject({
        schedule: entries[index]?.schedule,
        timeZone: 'Asia/Shanghai',
        concurrencyPolicy: 'Forbid',
      });
    }
  });

  test('each pod starts what its entry is; shards are the indexes of one Job, each after its own wait', () => {
    const started = objects.flatMap(({ spec }) => {
      const { completions = 1, completionMode, template } = spec.jobTemplate.spec;
      const [{ args, command }] = template.spec.containers;
      if (command === undefined) return [args?.join(' ')];
      expect(completionMode).toBe('Indexed');
      return Array.from({ length: completions }, (_, index) => {
        const env = { PATH: `${folder}:/usr/bin:/bin`, JOB_COMPLETION_INDEX: String(index) };
        const [slept, ran] = execFileSync(command[0] as string, command.slice(1), { env, encoding: 'utf8' }).split(
          '\n',
        );
        expect(slept).toBe(`slept ${index * 6}`);
        return ran;
      });
    });
    expect(started).toEqual(starts.map((start) => argumentsOf(start).join(' ')));
  });
});
