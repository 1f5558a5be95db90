/** What is masked in a line of the log, whoever's secret it is; and what must stay readable. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Mask } from '../../src/platform/masking.ts';

const mask = new Mask();
const key = `MIIEvQIBADANBgkqhkiG9w0BAQEFAASC${'Ab3+/'.repeat(40)}==`;
const pem = `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----`;

describe('a secret in a text is masked', () => {
  test.each([
    ['the password of an address', 'cannot reach mysql://app:hunter2secret@db:3306/mia today', 'hunter2secret'],
    ['a password with an @ in it', 'mysql://app:p@ss@word@db/mia', 'ss@word'],
    ['a password with a slash and a #', 'mysql://app:pa/ss#wo?rd@db/mia', 'ss#wo'],
    ['an address without a user', 'redis://:swordfish@127.0.0.1:6379/0', 'swordfish'],
    ['an encoded password', 'rediss://default:p%40ssw%2Frd@cache/0', 'ssw%2Frd'],
    ['a token as the user of a web address', 'clone https://ghtoken12345@example.com/x', 'ghtoken12345'],
    ['a PEM block', `signing failed with ${pem} at once`, key],
    ['a PEM block on one line', `{"key":"${pem.replaceAll('\n', '\\n')}"}`, key.slice(0, 40)],
    ['a PEM block that is cut off', pem.slice(0, 120), key.slice(0, 40)],
    [
      'an encrypted RSA key',
      '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4\nabcdef\n-----END RSA PRIVATE KEY-----',
      'abcdef',
    ],
    ['a key without its frame', `privkey ${key}`, key.slice(10, 60)],
    ['an Authorization header', 'Authorization: Basic dXNlcjpwYXNz and more', 'dXNlcjpwYXNz'],
    [
      'the Authorization of WeChat Pay',
      'Authorization: WECHATPAY2-SHA256-RSA2048 mchid="1900",nonce_str="x",signature="c2lnbmF0dXJl"',
      'c2lnbmF0dXJl',
    ],
    ['Authorization in JSON', '{"Authorization":"Bearer abc.def","other":1}', 'abc.def'],
    ['Authorization in JSON inside of JSON', '{\\"authorization\\":\\"Bearer abcdef\\"}', 'abcdef'],
    ['a bearer token alone', 'refused: Bearer 0123456789abcdefghij', '0123456789abcdefghij'],
    ['a JSON web token', 'got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl', 'c2lnbmF0dXJl'],
    ['a cookie', 'Set-Cookie: session=0f9e8d; Path=/', '0f9e8d'],
    ['a setting', 'TIDEMARK_WECHAT_SECRET=0123456789abcdef', '0123456789abcdef'],
    ['a password in JSON', '{"user":"ann","password":"open sesame"}', 'open sesame'],
    ['a password in single quotes', "password: 'open \\'sesame'", 'sesame'],
    ['an API key', 'apiKey=abcd1234, retry', 'abcd1234'],
    ['an access token in an address', 'https://oapi.dingtalk.com/robot/send?access_token=9f8e7d&x=1', '9f8e7d'],
    ['the key of a WeCom robot', 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7xxx', '693a91f6'],
    ['a Slack webhook', 'POST https://hooks.slack.com/services/T000/B000/XXXX failed', 'T000/B000'],
    ['a Healthchecks ping', 'https://hc-ping.com/5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278/1', '5bf66975'],
    ['the signature of an Alipay request', 'GET /gateway.do?app_id=2021&sign=kPbQ%2BxYz&sign_type=RSA2', 'kPbQ'],
    ['a password in SQL', "CREATE USER 'app'@'%' IDENTIFIED BY 'letmein1'", 'letmein1'],
    ['a password of a plug-in', "ALTER USER app IDENTIFIED VIA ed25519 USING PASSWORD('letmein1')", 'letmein1'],
    ['a password function', "SET PASSWORD FOR app = PASSWORD('letmein1')", 'letmein1'],
    ['a password of replication', "CHANGE MASTER TO MASTER_USER='r', MASTER_PASSWORD='letmein1'", 'letmein1'],
  ])('%s', (_, text, secret) => {
    expect(text).toContain(secret);
    const masked = mask.text(text);
    expect(masked).not.toContain(secret);
    expect(masked).toContain('****');
  });
});

describe('what is no secret stays readable', () => {
  test.each([
    'thread 268 of app has held a transaction open for 731 s: UPDATE plus_commission_log_3 SET status = 2 WHERE id = 7',
    "Access denied for user 'app'@'10.0.0.7' (using password: YES)",
    'TIDEMARK_WECHAT_SECRET is missing: expected the APIv3 key',
    'the main database mia at db.example.com:3306 cannot be reached: connect ECONNREFUSED',
    "Duplicate entry '500123' for key 'user_id'",
    'a row of plus_commission_log_3 was refused, key=4711',
    'the Redis of redis://127.0.0.1:6379/0 does not answer',
    'mysql://reader@db:3306/plus',
    'https://pay.example.com/notices?order=17',
    'run 01a1fd9b-879f-70dd-b750-7db2bfb1e574 took 2026-11-20T10:00:00+08:00 to 2026-11-20T12:00:00+08:00',
    'Basic authentication is switched off; the next token is expected',
  ])('%s', (text) => expect(mask.text(text)).toBe(text));

  test('of an address all but the password', () => {
    expect(mask.text('mysql://app:hunter2@db:3306/mia?ssl=true')).toBe('mysql://app:****@db:3306/mia?ssl=true');
  });

  test('of a query all but the secret', () => {
    expect(mask.text('https://x.cn/send?access_token=9f8e&msg=hi')).toBe('https://x.cn/send?access_token=****&msg=hi');
  });
});

describe('the secrets of the settings', () => {
  test('are masked wherever they stand, as they are and as an address encodes them', () => {
    const own = new Mask(['correct horse/battery']);
    expect(own.text('it was correct horse/battery, said correct%20horse%2Fbattery')).toBe('it was ****, said ****');
  });

  test('are masked whole where one is the beginning of another', () => {
    expect(new Mask(['abcdef', 'abcdefgh']).text('abcdefgh abcdef')).toBe('**** ****');
  });

  test('that are too short would hide words that mean nothing', () => {
    expect(new Mask(['a', '']).text('a run of a job')).toBe('a run of a job');
  });

  test('never come through, whatever stands around them', () => {
    const secret = 'Tr0ub4dor&3 #x';
    const own = new Mask([secret]);
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => !own.text(before + secret + after).includes(secret)),
    );
  });
});

describe('fields', () => {
  test('that are named like a secret are masked whole, at any depth', () => {
    const fields = { job: 'x', password: 'abc', nested: { apiKey: 7, Authorization: ['a'], list: [{ token: 'b' }] } };
    expect(mask.fields(fields)).toEqual({
      job: 'x',
      password: '****',
      nested: { apiKey: '****', Authorization: '****', list: [{ token: '****' }] },
    });
  });

  test('that are not keep their values, the key of a row above all', () => {
    const fields = { key: '4711', rows: 3, next: null, ok: true, assigned: 'ann', of: undefined };
    expect(mask.fields(fields)).toEqual(fields);
  });

  test('have their texts masked, and become what JSON can hold', () => {
    const circle: Record<string, unknown> = { name: 'circle' };
    circle.self = circle;
    const fields = {
      error: Object.assign(new Error('no way to mysql://a:secret1@h/d'), { code: 'ECONNREFUSED' }),
      fen: 12n,
      at: new Date(0),
      never: new Date(Number.NaN),
      raw: Buffer.from('abc'),
      address: new URL('redis://:secret1@h/0'),
      circle,
    };
    const text = JSON.stringify(mask.fields(fields));
    expect(text).not.toContain('secret1');
    expect(JSON.parse(text)).toMatchObject({
      error: { message: 'no way to mysql://a:****@h/d', code: 'ECONNREFUSED' },
      fen: '12',
      at: '1970-01-01T00:00:00.000Z',
      never: null,
      raw: '(3 bytes)',
      address: 'redis://:****@h/0',
    });
  });
});
