/** The controls by name, and by what each is known to be wrong in. */
interface Facts {
  /** How many of its processes work at once. */
  readonly processes: number;
  readonly mistake: string;
}

interface CommissionFacts extends Facts {
  readonly tables: 'commission';
  /** What the checker must find of it. */
  readonly evidence: 'gaps' | 'repeats' | 'wrong income';
}

interface LedgerFacts extends Facts {
  /** `bare ledger`: without the constraints, which would refuse its mistake. */
  readonly tables: 'ledger' | 'bare ledger';
  readonly evidence: 'wrong balances' | 'calls with two bills';
}

export type ControlFacts = CommissionFacts | LedgerFacts;

export const controls = {
  'redis-checkpoint': {
    evidence: 'repeats',
    tables: 'commission',
    processes: 1,
    mistake: 'the position is in Redis only, and set after the commit',
  },
  'no-lock': {
    evidence: 'repeats',
    tables: 'commission',
    processes: 2,
    mistake: 'the position is neither locked nor compared',
  },
  now: { evidence: 'gaps', tables: 'commission', processes: 1, mistake: 'a window ends at NOW()' },
  'fixed-lag': { evidence: 'gaps', tables: 'commission', processes: 1, mistake: 'a window ends at NOW() less a lag' },
  'income-by-update-time': {
    evidence: 'wrong income',
    tables: 'commission',
    processes: 1,
    mistake: 'income is summed by a window over update_time',
  },
  'balance-written-back': {
    evidence: 'wrong balances',
    tables: 'bare ledger',
    processes: 2,
    mistake: 'the balance is read and written back without a lock',
  },
  'account-before-bill': {
    evidence: 'wrong balances',
    tables: 'bare ledger',
    processes: 1,
    mistake: 'the account is changed before its bill is written',
  },
  'new-bill-id': {
    evidence: 'calls with two bills',
    tables: 'ledger',
    processes: 1,
    mistake: 'what has no answer is asked for again with a new bill id',
  },
} as const satisfies Readonly<Record<string, ControlFacts>>;

export type ControlName = keyof typeof controls;
export const everyControl = Object.keys(controls) as ControlName[];
