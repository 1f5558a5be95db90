/** What the schedule starts besides jobs. A new chore is an entry here. */
import type { Chore } from '../src/schedule/chore.ts';

export const chores: readonly Chore[] = [
  {
    command: ['ledger', 'expire'],
    schedule: '* * * * *',
    why: 'Holds whose time is over, released.',
    database: 'ledger',
  },
  {
    command: ['verify'],
    schedule: '50 3 * * *',
    why: 'The proof that no stretch of time was left out. It prints a line even when all is well, which is kept for bad news.',
    talksAlways: true,
  },
];
