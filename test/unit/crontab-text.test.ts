import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chores } from '../../jobs/chores.ts';
import { jobs } from '../../jobs/index.ts';
import { crontabText } from '../../src/schedule/crontab.ts';
import { argumentsOf, startsOf, timetableOf } from '../../src/schedule/timetable.ts';
import { exampleInstall } from '../support/installs.ts';

const entries = timetableOf(jobs, chores);
const linesOf = (text: string) => text.split('\n').filter((line) => /^[\d*@]/.test(line));

describe('the crontab of an installation', () => {
  test('crontab.example is what it prints for /opt/tidemark; vitest -u writes it anew', async () => {
    await expect(crontabText(entries, exampleInstall)).toMatchFileSnapshot('../../crontab.example');
  });

  test('every start of the timetable is a line, its shards as far apart as they should be', () => {
    const lines = linesOf(crontabText(entries, exampleInstall));
    const starts = entries.flatMap(startsOf);
    expect(lines).toHaveLength(starts.length);
    for (const start of starts) {
      const command = `/opt/tidemark/bin/tidemark ${argumentsOf(start).join(' ')}`;
      const line = lines.find((one) => one.replace(' 2>&1) || echo "$report"', '').endsWith(command)) as string;
      expect(line, command).toBeDefined();
      expect(/sleep (\d+); /.exec(line)?.[1] ?? '0').toBe(String(start.delaySeconds));
      expect(line.startsWith(`${start.entry.schedule} `)).toBe(true);
    }
  });

  test('in another zone than the business, times are told in the host’s: three in the morning in Shanghai is 19 o’clock in UTC', () => {
    const text = crontabText(entries, { ...exampleInstall, hostZone: 'Etc/UTC' });
    expect(text).toContain('\n5 19 * * * /opt/tidemark/bin/tidemark run sync-user-extension --repair');
    expect(text).toContain('Etc/UTC, 8:00 h behind');
    expect(text).toContain('\n35 16-23 1-4,28-31 * * /opt/tidemark/bin/tidemark run settle-month\n');
    expect(text).toContain('\n35 0-15 1-5 * * /opt/tidemark/bin/tidemark run settle-month\n');
    expect(text).toContain('cron cannot say just that');
  });

  test('where clocks will change, the day is told by which it must be printed anew', () => {
    const text = crontabText(entries, { ...exampleInstall, hostZone: 'Europe/Berlin', now: Date.parse('2026-11-21') });
    expect(text.replaceAll('\n# ', ' ')).toContain('THAT CHANGES by 2027-03-2');
  });

  test('for /etc/cron.d each line names the user', () => {
    const lines = linesOf(crontabText(entries, { ...exampleInstall, user: 'batch' }));
    for (const line of lines) expect(line).toMatch(/^(\S+ ){5}batch (sleep|\/opt|report=)/);
  });

  test('what the shell or cron would take for something else is escaped', () => {
    const odd = { ...exampleInstall, program: "/srv/100%/it's here/bin/tidemark" };
    for (const line of linesOf(crontabText(entries, odd)))
      expect(line).toContain(`'/srv/100\\%/it'\\''s here/bin/tidemark' `);
  });

  test('what needs a database without an address is left out, and said', () => {
    const absent = ['ledger'] as const;
    const text = crontabText(timetableOf(jobs, chores, absent), {
      ...exampleInstall,
      missing: ['LEDGER_DATABASE_URL'],
    });
    expect(text).toContain('# Left out. Not set: LEDGER_DATABASE_URL.');
    expect(linesOf(text).filter((line) => /ledger|payments|settle|reconcile|statements/.test(line))).toEqual([]);
  });

  describe('for a shell', () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'tidemark-crontab-'));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    test('each line is one that sh takes, and starts just what it should', () => {
      const program = join(folder, 'tidemark');
      writeFileSync(program, '#!/bin/sh\necho "ran $*"\nexit 1\n', { mode: 0o755 });
      const lines = linesOf(crontabText(entries, { ...exampleInstall, program }));
      const started = lines.map((line) => {
        const command = line
          .split(' ')
          .slice(5)
          .join(' ')
          .replaceAll('\\%', '%')
          .replace(/sleep \d+; /, '');
        return execFileSync('sh', ['-c', `${command} || true`], { encoding: 'utf8' }).trim();
      });
      expect(started.sort()).toEqual(
        entries
          .flatMap(startsOf)
          .map((start) => `ran ${argumentsOf(start).join(' ')}`)
          .sort(),
      );
    });
  });
});
