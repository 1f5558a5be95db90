/**
 * One request over HTTP, tried twice: a network that fails, a server in trouble. A refusal is not tried again.
 *
 * Errors say what happened and never the address: for robots and pings it is the secret.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Mask } from '../platform/masking.ts';

const tries = 2;
const pauseMs = 1000;
const answerMax = 200;

export interface Post {
  readonly url: string;
  readonly body: string;
  readonly contentType: string;
  readonly timeoutMs: number;
  /** Looks at an answer that the status calls good. @throws Refused, or another error for one that may pass */
  readonly judge?: (answer: string) => void;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** The other side has understood, and does not want it. */
export class Refused extends Error {}

export async function post(request: Post): Promise<void> {
  for (let left = tries - 1; ; left--) {
    try {
      return await once(request);
    } catch (error) {
      if (left === 0 || error instanceof Refused || request.signal?.aborted === true) throw error;
      await sleep(pauseMs);
    }
  }
}

async function once({ url, body, contentType, timeoutMs, judge, signal }: Post): Promise<void> {
  const limit = AbortSignal.timeout(timeoutMs);
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': `${contentType}; charset=utf-8`, 'user-agent': 'tidemark' },
    body,
    redirect: 'manual', // to follow one would turn the message into a question without content
    signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
  })
    .then(async (response) => ({ status: response.status, text: await response.text() }))
    .catch((error: unknown) => {
      throw new Error(reasonOf(error, timeoutMs));
    });
  const { status, text } = answer;
  const mask = new Mask(secretsOf(new URL(url)));
  const said = mask.text(`HTTP ${status}: ${text.replace(/\s+/g, ' ').trim()}`).slice(0, answerMax);
  if (status === 429 || status >= 500) throw new Error(said);
  if (status < 200 || status >= 300) throw new Refused(said);
  judge?.(text);
}

function reasonOf(error: unknown, timeoutMs: number): string {
  const { name, message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === 'TimeoutError') return `no answer within ${timeoutMs} ms`;
  return cause?.message || cause?.code || message;
}

/** Part of a path that is no plain word. */
const leastSecret = 16;

/** What of an address an answer must not repeat: servers say "Cannot POST /…" with all of it. */
function secretsOf({ href, pathname, search, searchParams }: URL): string[] {
  const parts = pathname.split('/').filter((part) => part.length >= leastSecret);
  return [href, `${pathname}${search}`, search, ...searchParams.values(), ...parts];
}
