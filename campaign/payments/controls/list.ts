/** The controls of payments by name, and by what each is known to be wrong in. */
export const controls = {
  'trusts-the-answer': 'what the provider answers to a payout is taken for what became of it',
  'error-is-failure': 'an error is taken for a failure, and the money given back',
  'calls-inside': 'the provider is called inside the transaction',
} as const;

export type ControlName = keyof typeof controls;
export const everyControl = Object.keys(controls) as ControlName[];
