/** What the schedule starts besides jobs. A new chore is an entry here. */
import type { Chore } from '../src/schedule/chore.ts';

export const chores: readonly Chore[] = [
  {
    command: ['watch'],
    schedule: '*/5 * * * *',
    why: 'Finds what failed, is late or did not run, tells it once by the channels of TIDEMARK_ALARM_… (docs/alarms.md), and prints nothing then. Without a channel leave it out: cron would mail what stands at every start.',
    needsChannel: true,
    timeLimitSeconds: 300,
  },
  {
    command: ['ledger', 'expire'],
    schedule: '* * * * *',
    why: 'Holds whose time is over, released.',
    database: 'ledger',
    timeLimitSeconds: 600,
  },
  {
    command: ['verify'],
    schedule: '50 3 * * *',
    why: 'The proof that no stretch of time was left out. It prints a line even when all is well, which is kept for bad news.',
    talksAlways: true,
  },
];
