/**
 * What is wrong with a crontab, told so that it can be mended: the line, the mistake, and what to write instead.
 *
 * It knows Debian's cron, the jobs of this installation and its timetable. Lines that start something else are looked at
 * only for what makes cron refuse the whole file. Nothing is run, and nothing is read but the text.
 */
import { findCollisions } from './check-collisions.ts';
import { findGaps } from './check-coverage.ts';
import { checkFile } from './check-file.ts';
import { checkLine } from './check-line.ts';
import { type CronLine, readCrontab } from './crontab-lines.ts';
import type { CheckSetting, Finding, ScheduledLine } from './finding.ts';
import { kindOf } from './timetable.ts';

/** @returns the findings, in the order of the lines; those about missing lines last */
export function checkCrontab(text: string, setting: CheckSetting): Finding[] {
  const crontab = readCrontab(text, setting.isSystemFile);
  const found = [
    ...checkFile(text, crontab),
    ...crontab.lines.flatMap((line) => checkLine(line, crontab.hasUsers, setting)),
  ];
  const runs = crontab.lines.flatMap((line) => runsOf(line, setting));
  found.push(...findCollisions(runs), ...findGaps(crontab, runs, setting));
  return found.sort((a, b) => (a.line ?? Number.POSITIVE_INFINITY) - (b.line ?? Number.POSITIVE_INFINITY));
}

/** The runs that a line starts. What looks at a range, or writes nothing, is none. */
function runsOf(line: CronLine, { jobs, readCommand }: CheckSetting): ScheduledLine[] {
  return line.starts.flatMap(({ words, sleepSeconds }) => {
    const { name, operands } = readCommand(words);
    const job = jobs.find((one) => one.name === operands[0]);
    if (name !== 'run' || job === undefined || words.some((word) => /^--(dry-run|from|to)\b/.test(word))) return [];
    const asked = operands.slice(1);
    const shards = asked.length > 0 ? asked : job.shards.length > 0 ? job.shards : [''];
    return [{ line, job, kind: kindOf(job, words), shards, sleepSeconds, words }];
  });
}
