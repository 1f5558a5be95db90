/** What is wrong with a crontab as a file, and with its assignments. */

import type { Assignment, Crontab } from './crontab-lines.ts';
import type { Finding } from './finding.ts';

export function checkFile(text: string, { assignments }: Crontab): Finding[] {
  return [...checkEnds(text), ...assignments.flatMap(checkAssignment)];
}

function checkEnds(text: string): Finding[] {
  const lines = text.split('\n');
  const found: Finding[] = [];
  const first = lines.findIndex((line) => line.endsWith('\r'));
  if (first >= 0)
    found.push({
      line: first + 1,
      text: (lines[first] as string).replace(/\r$/, ''),
      weight: 'wrong',
      wrong: 'lines end as on Windows (CR LF): cron gives the CR to the command as a part of its last word',
      instead: ["sed -i 's/\\r$//' FILE"],
    });
  const last = lines.at(-1) as string;
  if (last !== '')
    found.push({
      line: lines.length,
      text: last,
      weight: 'wrong',
      wrong: 'the last line has no line break behind it: cron does not run it, or refuses the file',
      instead: ['echo >> FILE'],
    });
  return found;
}

function checkAssignment({ number, text, name, value }: Assignment): Finding[] {
  const finding = (weight: Finding['weight'], wrong: string, ...instead: string[]): Finding[] => [
    { line: number, text, weight, wrong, instead },
  ];
  if (name === 'MAILTO' && value === '')
    return finding(
      'doubtful',
      'MAILTO is empty: what failed runs say is thrown away',
      'MAILTO=whoever should hear of it',
    );
  if (name === 'MAILTO' && /@(.*\.)?example\.(com|org|net)$/.test(value))
    return finding('doubtful', `mail to ${value} reaches nobody`, 'MAILTO=whoever should hear of it');
  if (name === 'CRON_TZ')
    return finding(
      'wrong',
      "Debian's cron knows no CRON_TZ: the lines run in the host's time zone",
      'tidemark crontab      prints the lines in the time of this host',
    );
  if (/[$~]/.test(value) && name === 'PATH')
    return finding(
      'wrong',
      'cron expands nothing in an assignment: PATH has a folder of just that name',
      'PATH=/usr/local/bin:/usr/bin:/bin',
    );
  return [];
}
