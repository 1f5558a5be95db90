/**
 * Alarms by HTTP: JSON of our own, and the message forms of DingTalk, WeCom and Slack.
 *
 * Messages are plain text, since Markdown would take the underlines and stars out of commands and statements. DingTalk
 * and WeCom answer 200 also when they refuse, and say so in `errcode`. Every message has the word "tidemark", for
 * robots of DingTalk that let pass only what has a keyword.
 */
import { createHmac } from 'node:crypto';
import type { Channel } from './channel.ts';
import type { Message } from './message.ts';
import { post, Refused } from './post.ts';

/** DingTalk takes 20,000 bytes, WeCom 2,048 of text, Slack shows 4,000 characters without folding. */
const bytesMax = { dingtalk: 15_000, wecom: 2048, slack: 3900 } as const;

const json = 'application/json';

export const webhook = (url: string, timeoutMs: number): Channel =>
  chat('webhook', { url: () => url, body: (message) => message.json(), timeoutMs });

/** A robot with a secret wants each request signed; without one it goes by a keyword or by our address. */
export const dingtalk = (url: string, secret: string | undefined, timeoutMs: number): Channel =>
  chat('dingtalk', {
    url: () => (secret === undefined ? url : signed(url, secret, Date.now())),
    body: (message) => ({ msgtype: 'text', text: { content: message.text(bytesMax.dingtalk) } }),
    timeoutMs,
    judge: assertTaken,
  });

export const wecom = (url: string, timeoutMs: number): Channel =>
  chat('wecom', {
    url: () => url,
    body: (message) => ({ msgtype: 'text', text: { content: message.text(bytesMax.wecom) } }),
    timeoutMs,
    judge: assertTaken,
  });

export const slack = (url: string, timeoutMs: number): Channel =>
  chat('slack', {
    url: () => url,
    body: (message) => ({ text: escaped(message.text(bytesMax.slack)), mrkdwn: false }),
    timeoutMs,
  });

interface Form {
  url(): string;
  body(message: Message): object;
  readonly timeoutMs: number;
  readonly judge?: (answer: string) => void;
}

const chat = (name: string, { url, body, timeoutMs, judge }: Form): Channel => ({
  name,
  async send(message) {
    const request = { url: url(), body: JSON.stringify(body(message)), contentType: json, timeoutMs };
    await post(judge === undefined ? request : { ...request, judge });
    return null;
  },
});

/** DingTalk's signature: over the time in milliseconds and the secret, with the secret as the key. */
function signed(url: string, secret: string, timestamp: number): string {
  const address = new URL(url);
  const sign = createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64');
  address.searchParams.set('timestamp', String(timestamp));
  address.searchParams.set('sign', sign);
  return address.href;
}

/** `{"errcode":0,"errmsg":"ok"}`; -1 is a server that is busy. */
function assertTaken(answer: string): void {
  let errcode: unknown;
  let errmsg: unknown;
  try {
    ({ errcode, errmsg } = JSON.parse(answer) as Record<string, unknown>);
  } catch {
    throw new Refused(`an answer that is no JSON: ${answer.slice(0, 100)}`);
  }
  if (errcode === 0) return;
  const said = `errcode ${errcode}: ${String(errmsg).slice(0, 200)}`;
  throw errcode === -1 ? new Error(said) : new Refused(said);
}

/** The three characters that Slack reads as its own. */
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
