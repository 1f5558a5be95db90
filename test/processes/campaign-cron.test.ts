/** The crontab that tidemark prints, under Debian's real cron, where there is one and this user may start it. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runCronCampaign } from '../../campaign/cron/campaign.ts';

function mayStartCron(): boolean {
  if (process.getuid?.() !== 0 || !['/usr/sbin/cron', '/sbin/cron'].some(existsSync)) return false;
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/run'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test.skipIf(!mayStartCron())(
  'a minute of cron: every line is started and ends with 0, nothing would be mailed, a shard left out is noticed',
  async () => {
    const verdict = await runCronCampaign({ seed: 1, seconds: 55 });
    expect(verdict.failures).toEqual([]);
    expect(verdict).toMatchObject({ passed: true, gaps: 0, repeats: 0 });
    expect(verdict.figures['lines started']).toBeGreaterThanOrEqual(verdict.figures['lines of the crontab'] as number);
    expect(verdict.controls).toEqual([expect.objectContaining({ name: 'without-shard-3', found: 1 })]);
  },
);
