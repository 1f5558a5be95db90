/** The channels of alarms, to the letter of what their providers ask for, against real servers for HTTP and mail. */
import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { channelsOf, deliver } from '../../src/alarms/channels.ts';
import type { Standing } from '../../src/alarms/memory.ts';
import { Message } from '../../src/alarms/message.ts';
import { Zone } from '../../src/engine/zone.ts';
import { Config } from '../../src/platform/config.ts';
import { HttpReceiver, type Letter, MailReceiver } from '../support/alarm-receivers.ts';

const zone = new Zone('Asia/Shanghai');
const now = zone.fromText('2026-11-20 02:20:00') as number;
const matter: Standing = {
  key: 'failing:sync-commission-log:3',
  gravity: 'critical',
  of: { job: 'sync-commission-log', shard: '3' },
  since: now - 840_000,
  ripeAt: null,
  what: 'the last 3 runs failed, 02:18:06: a <b>id_no</b> & *more* 账户',
  next: 'tidemark run sync-commission-log 3',
  cause: null,
  toldAt: null,
  claimedUntil: null,
  silence: null,
  version: 1,
};
const message = new Message([{ state: 'raised', matter, follows: [] }], {
  host: 'db1',
  now,
  zone,
  asTyped: (line) => line,
});
const text = `tidemark on db1

CRITICAL sync-commission-log 3: the last 3 runs failed, 02:18:06: a <b>id_no</b> & *more* 账户
Since 02:06:00 (14 min).
Next: tidemark run sync-commission-log 3`;

let http: HttpReceiver;
let smtp: MailReceiver;
let folder: string;
beforeAll(async () => {
  http = await HttpReceiver.start();
  smtp = await MailReceiver.start('watch', 'p@ss word');
  folder = await mkdtemp(join(tmpdir(), 'tidemark-channels-'));
});
afterAll(async () => {
  await Promise.all([http.stop(), smtp.stop()]);
  await rm(folder, { recursive: true });
});
afterEach(() => {
  http.answers.clear();
  http.take();
  smtp.letters.splice(0);
  smtp.refused.clear();
});

const send = (settings: Record<string, string>, what = message) =>
  deliver(
    channelsOf(Config.read({ environment: { TIDEMARK_ALARM_TIMEOUT: '500ms', ...settings }, workingFolder: folder })),
    what,
  );
const only = () => {
  const requests = http.take();
  expect(requests).toHaveLength(1);
  const [request] = requests as [(typeof requests)[0]];
  return { ...request, json: JSON.parse(request.body) as Record<string, unknown> };
};

/** The body of a letter, out of quoted-printable. */
function plain(raw: string): string {
  const body = raw.slice(raw.indexOf('\r\n\r\n') + 4).replaceAll('=\r\n', '');
  return decodeURIComponent(body.replaceAll('%', '%25').replaceAll(/=([0-9A-F]{2})/g, '%$1'));
}

describe('a webhook', () => {
  const settings = () => ({ TIDEMARK_ALARM_WEBHOOK: http.url('/hook?token=geheim') });

  test('gets each matter as JSON', async () => {
    expect(await send(settings())).toMatchObject([{ channel: 'webhook', error: null }]);
    const { method, path, headers, json } = only();
    expect([method, path, headers['content-type']]).toEqual([
      'POST',
      '/hook?token=geheim',
      'application/json; charset=utf-8',
    ]);
    expect(json).toEqual({
      host: 'db1',
      at: '2026-11-20T02:20:00+08:00',
      subject: expect.stringMatching(/^tidemark on db1: CRITICAL sync-commission-log 3: the last 3 runs failed/),
      gravity: 'critical',
      text,
      alarms: [
        {
          state: 'raised',
          key: 'failing:sync-commission-log:3',
          gravity: 'critical',
          job: 'sync-commission-log',
          shard: '3',
          since: '2026-11-20T02:06:00+08:00',
          seconds: 840,
          what: matter.what,
          next: matter.next,
          cause: null,
          follows: [],
          toldAt: null,
          silencedUntil: null,
        },
      ],
    });
  });

  test('is tried twice when it is in trouble, and once when it refuses', async () => {
    http.answers.set('/hook', [{ status: 502, body: 'bad gateway' }, {}]);
    expect(await send(settings())).toMatchObject([{ error: null }]);
    expect(http.take()).toHaveLength(2);
    http.answers.set('/hook', [{ status: 403, body: 'not you' }]);
    expect(await send(settings())).toMatchObject([{ error: 'HTTP 403: not you' }]);
    expect(http.take()).toHaveLength(1);
  });

  test('that redirects has not got the message', async () => {
    http.answers.set('/hook', [{ status: 302, headers: { location: '/elsewhere' } }]);
    expect(await send(settings())).toMatchObject([{ error: expect.stringContaining('HTTP 302') }]);
    expect(http.take().map(({ path }) => path)).toEqual(['/hook?token=geheim']);
  });

  test('that repeats the address in its answer is told of without it', async () => {
    http.answers.set('/hook', [{ status: 404, body: 'Cannot POST /hook?token=geheim (geheim)' }]);
    expect(await send(settings())).toMatchObject([{ error: expect.not.stringContaining('geheim') }]);
    http.answers.set('/hooks/a1b2c3d4e5f6a7b8', [
      { status: 404, body: '<pre>Cannot POST /hooks/a1b2c3d4e5f6a7b8</pre>' },
    ]);
    const [one] = await send({ TIDEMARK_ALARM_WEBHOOK: http.url('/hooks/a1b2c3d4e5f6a7b8') });
    expect(one?.error).toMatch(/^HTTP 404: <pre>Cannot POST .*<\/pre>$/);
    expect(one?.error).not.toContain('a1b2c3d4e5f6a7b8');
  });

  test('that does not answer, or is not there, is told of without its address', async () => {
    http.answers.set('/hook', [null]);
    const [silent] = await send(settings());
    expect(silent?.error).toBe('no answer within 500 ms');
    const [gone] = await send({ TIDEMARK_ALARM_WEBHOOK: 'http://127.0.0.1:1/hook?token=geheim' });
    expect(gone?.error).toMatch(/./);
    expect(`${silent?.error} ${gone?.error}`).not.toContain('geheim');
  });
});

describe('a robot of DingTalk', () => {
  const settings = () => ({ TIDEMARK_ALARM_DINGTALK: http.url('/robot/send?access_token=abc') });

  test('gets a text, signed where it has a secret', async () => {
    http.answers.set('/robot/send', [{ body: '{"errcode":0,"errmsg":"ok"}' }]);
    const before = Date.now();
    expect(await send({ ...settings(), TIDEMARK_ALARM_DINGTALK_SECRET: 'SECtop+secret' })).toMatchObject([
      { error: null },
    ]);
    const { path, headers, json } = only();
    const query = new URL(path, 'http://robot').searchParams;
    const timestamp = query.get('timestamp') as string;
    expect(Number(timestamp)).toBeGreaterThanOrEqual(before);
    const expected = createHmac('sha256', 'SECtop+secret')
      .update(`${timestamp}\nSECtop+secret`, 'utf8')
      .digest('base64');
    expect(path).toContain(`&timestamp=${timestamp}&sign=${encodeURIComponent(expected)}`);
    expect([query.get('access_token'), headers['content-type']]).toEqual(['abc', 'application/json; charset=utf-8']);
    expect(json).toEqual({ msgtype: 'text', text: { content: text } });
  });

  test('without a secret gets its address as it is', async () => {
    http.answers.set('/robot/send', [{ body: '{"errcode":0,"errmsg":"ok"}' }]);
    await send(settings());
    expect(only().path).toBe('/robot/send?access_token=abc');
  });

  test('that answers 200 with an errcode has refused, and is asked again only when it was busy', async () => {
    http.answers.set('/robot/send', [{ body: '{"errcode":310000,"errmsg":"sign not match"}' }]);
    expect(await send(settings())).toMatchObject([{ error: 'errcode 310000: sign not match' }]);
    expect(http.take()).toHaveLength(1);
    http.answers.set('/robot/send', [{ body: '{"errcode":-1,"errmsg":"busy"}' }, { body: '{"errcode":0}' }]);
    expect(await send(settings())).toMatchObject([{ error: null }]);
    http.answers.set('/robot/send', [{ body: '<html>' }]);
    expect(await send(settings())).toMatchObject([{ error: expect.stringContaining('no JSON') }]);
  });
});

describe('a robot of WeCom', () => {
  const settings = () => ({ TIDEMARK_ALARM_WECOM: http.url('/cgi-bin/webhook/send?key=abc') });

  test('gets a text of at most 2048 bytes, whole entries of it', async () => {
    http.answers.set('/cgi-bin/webhook/send', [{ body: '{"errcode":0,"errmsg":"ok"}' }]);
    const many = Array.from({ length: 40 }, (_, index) => ({
      state: 'raised' as const,
      matter: { ...matter, key: `failing:job-${index}`, of: { job: `job-${index}`, shard: '' } },
      follows: [],
    }));
    await send(settings(), new Message(many, { host: 'db1', now, zone, asTyped: (line) => line }));
    const { json } = only();
    expect(json).toEqual({ msgtype: 'text', text: { content: expect.any(String) } });
    const { content } = json.text as { content: string };
    expect(Buffer.byteLength(content)).toBeLessThanOrEqual(2048);
    expect(Buffer.byteLength(content)).toBeGreaterThan(1700);
    const told = content.match(/^CRITICAL/gm)?.length ?? 0;
    expect(content).toMatch(
      new RegExp(`^tidemark on db1: 40 critical[\\s\\S]*\n\n… and ${40 - told} more: tidemark alarm list$`),
    );
  });

  test('that answers 200 with an errcode has refused', async () => {
    http.answers.set('/cgi-bin/webhook/send', [{ body: '{"errcode":93000,"errmsg":"invalid webhook url"}' }]);
    expect(await send(settings())).toMatchObject([{ channel: 'wecom', error: 'errcode 93000: invalid webhook url' }]);
  });
});

describe('Slack', () => {
  const settings = () => ({ TIDEMARK_ALARM_SLACK: http.url('/services/T0/B0/x') });

  test('gets a text that it does not read as its own marks', async () => {
    expect(await send(settings())).toMatchObject([{ channel: 'slack', error: null }]);
    const { json } = only();
    const escaped = text.replace('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    expect(json).toEqual({ text: escaped, mrkdwn: false });
  });

  test('says why it refuses', async () => {
    http.answers.set('/services/T0/B0/x', [{ status: 404, body: 'no_service' }]);
    expect(await send(settings())).toMatchObject([{ error: 'HTTP 404: no_service' }]);
  });
});

describe('e-mail', () => {
  const settings = (more: Record<string, string> = {}) => ({
    TIDEMARK_ALARM_MAIL_TO: 'kim@example.com, lee@example.com',
    TIDEMARK_ALARM_MAIL_FROM: 'tidemark@example.com',
    TIDEMARK_ALARM_SMTP: `smtp://watch:p%40ss%20word@127.0.0.1:${smtp.port}`,
    ...more,
  });

  test('goes to all, with what it is about as the subject', async () => {
    expect(await send(settings())).toMatchObject([{ channel: 'e-mail', error: null, remark: null }]);
    expect(smtp.letters).toMatchObject([{ from: 'tidemark@example.com', to: ['kim@example.com', 'lee@example.com'] }]);
    const { raw } = smtp.letters[0] as Letter;
    expect(raw).toMatch(/^Subject: =\?UTF-8\?/m); // it has characters that are not ASCII
    expect(raw).toContain('Auto-Submitted: auto-generated');
    expect(plain(raw)).toBe(`${text}\n`.replaceAll('\n', '\r\n'));
  });

  test('that one of two cannot get is told, with a remark', async () => {
    smtp.refused.add('lee@example.com');
    expect(await send(settings())).toMatchObject([{ error: null, remark: 'the server refused lee@example.com' }]);
  });

  test('with a wrong password is not told, and says so without it', async () => {
    const wrong = { TIDEMARK_ALARM_SMTP: `smtp://watch:falsch@127.0.0.1:${smtp.port}` };
    const [delivery] = await send(settings(wrong));
    const error = delivery?.error;
    expect(error).toContain('who are you?');
    expect(error).not.toContain('falsch');
  });

  test('to a server that sends line after line and never comes to an end is given up', async () => {
    const trickling = createServer((socket) => {
      const trickle = setInterval(() => socket.write('250-there is more\r\n'), 30);
      socket.on('close', () => clearInterval(trickle)).on('error', () => undefined);
      socket.resume().write('220 hello\r\n');
    });
    await new Promise<void>((done) => trickling.listen(0, '127.0.0.1', done));
    const { port } = trickling.address() as AddressInfo;
    const slow = { TIDEMARK_ALARM_SMTP: `smtp://127.0.0.1:${port}`, TIDEMARK_ALARM_TIMEOUT: '200ms' };
    expect(await send(settings(slow))).toMatchObject([{ error: 'not done within 600 ms, and given up' }]);
    await new Promise((done) => trickling.close(done)); // it holds no connection either
  });

  test('needs a sender and a server', () => {
    expect(() =>
      channelsOf(Config.read({ environment: { TIDEMARK_ALARM_MAIL_TO: 'kim@example.com' }, workingFolder: folder })),
    ).toThrow('TIDEMARK_ALARM_MAIL_TO needs TIDEMARK_ALARM_MAIL_FROM, too');
  });
});

describe('a command', () => {
  test('gets the JSON on its standard input, and the gist in variables', async () => {
    const line = `cat > ${folder}/json; printf '%s|%s|%s' "$TIDEMARK_ALARM_GRAVITY" "$TIDEMARK_ALARM_SUBJECT" "$TIDEMARK_ALARM_TEXT" > ${folder}/gist`;
    expect(await send({ TIDEMARK_ALARM_COMMAND: line })).toMatchObject([{ channel: 'command', error: null }]);
    expect(JSON.parse(await readFile(join(folder, 'json'), 'utf8'))).toMatchObject({
      host: 'db1',
      alarms: [{ key: matter.key }],
    });
    expect(await readFile(join(folder, 'gist'), 'utf8')).toBe(`critical|${message.subject}|${text}`);
  });

  test('that leaves something behind, which has left its group, is judged by its own end', async () => {
    const line = (code: number) => `setsid sleep 5 & exit ${code}`;
    expect(await send({ TIDEMARK_ALARM_COMMAND: line(0) })).toMatchObject([{ error: null }]);
    expect(await send({ TIDEMARK_ALARM_COMMAND: line(3) })).toMatchObject([{ error: 'exit 3' }]);
  });

  test('that fails, and one that does not end, are told of', async () => {
    expect(await send({ TIDEMARK_ALARM_COMMAND: 'echo no pager >&2; exit 3' })).toMatchObject([
      { error: 'exit 3: no pager' },
    ]);
    expect(await send({ TIDEMARK_ALARM_COMMAND: 'sleep 60' })).toMatchObject([
      { error: 'not done within 500 ms, and killed' },
    ]);
  });
});

test('one that is broken hides no other', async () => {
  http.answers.set('/bad', [{ status: 400, body: 'no' }]);
  const deliveries = await send({
    TIDEMARK_ALARM_WEBHOOK: http.url('/bad'),
    TIDEMARK_ALARM_SLACK: http.url('/good'),
    TIDEMARK_ALARM_COMMAND: 'exit 1',
  });
  expect(deliveries.map(({ channel, error }) => [channel, error])).toEqual([
    ['webhook', 'HTTP 400: no'],
    ['slack', null],
    ['command', 'exit 1'],
  ]);
});

test('addresses and secrets are never shown', () => {
  const environment = {
    TIDEMARK_ALARM_WEBHOOK: 'https://hook.example.com/geheim',
    TIDEMARK_ALARM_DINGTALK: 'https://oapi.dingtalk.com/robot/send?access_token=geheim',
    TIDEMARK_ALARM_DINGTALK_SECRET: 'SECgeheim',
    TIDEMARK_ALARM_WECOM: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=geheim',
    TIDEMARK_ALARM_SLACK: 'https://hooks.slack.com/services/geheim',
    TIDEMARK_ALARM_SMTP: 'smtp://watch:geheim@smtp.example.com',
    TIDEMARK_PING_URL: 'https://hc-ping.com/geheim/{job}',
  };
  const { shown } = Config.read({ environment, workingFolder: folder });
  expect(JSON.stringify(shown)).not.toContain('geheim');
});
