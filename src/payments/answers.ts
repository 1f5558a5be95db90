/** What the answers of both providers are made of. */
import type { PaymentAnswer, TransferAnswer } from './provider.ts';

/** Nobody can say what the payment has come to. `known` stays true: only the provider can say that it does not know it. */
export function unknownPayment(word: string): PaymentAnswer {
  return { state: 'unknown', known: true, providerId: null, amount: null, refunded: null, paidAt: null, word };
}

export function unknownTransfer(word: string): TransferAnswer {
  return { state: 'unknown', providerId: null, amount: null, word };
}

/** A field that holds some text; null for anything else. */
export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Our own numbers are digits; a provider may also tell of what is not ours. */
export function idOf(value: unknown): bigint | null {
  return typeof value === 'string' && /^[1-9]\d{0,18}$/.test(value) ? BigInt(value) : null;
}

/** At most so many characters, none of them cut in two. */
export function shortened(text: string, max: number): string {
  return [...Buffer.from(text).toString()].slice(0, max).join('');
}

/** A failure on the way, in a word for people: the first line of what was said, and what caused it. */
export function failureWord(error: unknown): string {
  const { name, message, cause } = error as Error;
  if (name === 'TimeoutError' || name === 'AbortError') return 'timeout';
  const reason = (cause as { code?: unknown } | undefined)?.code;
  return `${typeof reason === 'string' ? `${reason}: ` : ''}${message}`.split('\n', 1).join('').slice(0, 120);
}
