/** The controls by name, and by what each is known to be wrong in. */
export interface ControlFacts {
  /** What the checker must find of it. */
  readonly evidence: 'gaps' | 'repeats' | 'wrong income';
  /** How many of its processes work at once. */
  readonly processes: number;
  readonly mistake: string;
}

export const controls = {
  'redis-checkpoint': {
    evidence: 'repeats',
    processes: 1,
    mistake: 'the position is in Redis only, and set after the commit',
  },
  'no-lock': { evidence: 'repeats', processes: 2, mistake: 'the position is neither locked nor compared' },
  now: { evidence: 'gaps', processes: 1, mistake: 'a window ends at NOW()' },
  'fixed-lag': { evidence: 'gaps', processes: 1, mistake: 'a window ends at NOW() less a lag' },
  'income-by-update-time': {
    evidence: 'wrong income',
    processes: 1,
    mistake: 'income is summed by a window over update_time',
  },
} as const satisfies Readonly<Record<string, ControlFacts>>;

export type ControlName = keyof typeof controls;
export const everyControl = Object.keys(controls) as ControlName[];
