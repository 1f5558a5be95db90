/**
 * Lines that are in each other's way. A lock keeps runs of a shard apart, so nothing is done twice; but the second one
 * does nothing, and where it is the sweep or the repair of the night, it is missed.
 */

import { coincide } from './cron-times.ts';
import type { Finding, ScheduledLine } from './finding.ts';

export function findCollisions(runs: readonly ScheduledLine[]): Finding[] {
  const found: Finding[] = [];
  for (const [index, run] of runs.entries())
    for (const other of runs.slice(0, index)) {
      const finding = collision(other, run);
      if (finding !== null) found.push(finding);
    }
  return found;
}

function collision(one: ScheduledLine, other: ScheduledLine): Finding | null {
  if (one.job !== other.job || one.line === other.line) return null;
  // Runs of a job without windows share the work.
  if (one.kind === 'due') return null;
  const shared = one.shards.filter((shard) => other.shards.includes(shard));
  const [times, othersTimes] = [one.line.times, other.line.times];
  if (shared.length === 0 || times === null || othersTimes === null) return null;
  if (one.kind === other.kind) {
    if (one.sleepSeconds !== other.sleepSeconds || !coincide(times, othersTimes)) return null;
    return finding(other, 'wrong', `starts ${titleOf(other, shared)} at the same time as line ${one.line.number}`, [
      'leave one of the two lines out',
    ]);
  }
  const hasty = [one, other].find((run) => run.kind !== 'windows' && !waits(run));
  if (hasty === undefined || !coincide(times, othersTimes)) return null;
  const rival = hasty === one ? other : one;
  const wrong = `may find ${titleOf(hasty, shared)} locked by line ${rival.line.number}, and then does nothing until its next time`;
  return finding(hasty, 'doubtful', wrong, [`${hasty.line.text.trim()} --if-locked wait --timeout 10m`]);
}

const waits = ({ words }: ScheduledLine) =>
  words.includes('--if-locked=wait') || words[words.indexOf('--if-locked') + 1] === 'wait';

function titleOf({ job }: ScheduledLine, shards: readonly string[]): string {
  return shards[0] === '' || shards.length === job.shards.length ? job.name : `${job.name} ${shards.join(' ')}`;
}

function finding({ line }: ScheduledLine, weight: Finding['weight'], wrong: string, instead: string[]): Finding {
  return { line: line.number, text: line.text.trim(), weight, wrong, instead };
}
