import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { beijingIso, beijingText, instantOfBeijing, instantOfIso } from '../../src/payments/beijing.ts';
import { keyIn } from '../../src/payments/keys.ts';
import { providerFrom, providersFrom } from '../../src/payments/providers.ts';
import { Config } from '../../src/platform/config.ts';
import { SetupError } from '../../src/platform/errors.ts';

let folder: string;
let files: Record<'private' | 'own' | 'public' | 'bare' | 'bareOld' | 'text', string>;
const setting = 'TIDEMARK_ALIPAY_KEY_FILE';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-providers-'));
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const theirs = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
  const put = (name: string, content: string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  files = {
    private: put('private.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
    own: put('own.pem', publicKey.export({ type: 'spki', format: 'pem' }).toString()),
    public: put('public.pem', theirs.export({ type: 'spki', format: 'pem' }).toString()),
    bare: put('bare.txt', privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')),
    bareOld: put('old.txt', privateKey.export({ type: 'pkcs1', format: 'der' }).toString('base64')),
    text: put('text.txt', 'no key at all'),
  };
  put('.env', '');
});
afterAll(() => rmSync(folder, { recursive: true }));

const settingsOf = (environment: Record<string, string>) => {
  const config = Config.read({ environment, workingFolder: folder });
  return (<Name extends Parameters<Config['get']>[0]>(name: Name) => config.get(name)) as Parameters<
    typeof providersFrom
  >[0];
};
const alipay = () => ({
  TIDEMARK_NOTICE_URL: 'https://pay.example.com/notices',
  TIDEMARK_ALIPAY_APP_ID: '2021000000000000',
  TIDEMARK_ALIPAY_KEY_FILE: files.private,
  TIDEMARK_ALIPAY_PUBLIC_KEY_FILE: files.public,
});

describe('providers from settings', () => {
  test('one without any settings is not in use', () => expect([...providersFrom(settingsOf({})).keys()]).toEqual([]));

  test('one with all of its settings is', () =>
    expect([...providersFrom(settingsOf(alipay())).keys()]).toEqual(['alipay']));

  test('one whose public key is the other half of our own key is a mistake: no answer would ever verify', () => {
    const mistaken = { ...alipay(), TIDEMARK_ALIPAY_PUBLIC_KEY_FILE: files.own };
    expect(() => providersFrom(settingsOf(mistaken))).toThrow('holds the public half of our own private key');
  });

  test('one with some of its settings is a mistake that names the others', () => {
    const { TIDEMARK_ALIPAY_KEY_FILE: _, TIDEMARK_NOTICE_URL: __, ...rest } = alipay();
    expect(() => providersFrom(settingsOf(rest))).toThrow(
      'Alipay cannot be asked: TIDEMARK_ALIPAY_KEY_FILE, TIDEMARK_NOTICE_URL are missing',
    );
  });

  test('one that is asked for and has none is a mistake that names them all', () => {
    expect(() => providerFrom('wechat', settingsOf({}))).toThrow(
      /TIDEMARK_WECHAT_MERCHANT_ID, .*TIDEMARK_WECHAT_SECRET/,
    );
  });

  test('no secret of a provider is ever shown', () => {
    const secret = 'topsecrettopsecrettopsecrettopse';
    const { shown } = Config.read({ environment: { TIDEMARK_WECHAT_SECRET: secret }, workingFolder: folder });
    expect(shown.find(({ name }) => name === 'TIDEMARK_WECHAT_SECRET')?.value).toBe('****');
    const wrong = { TIDEMARK_WECHAT_SECRET: 'topsecret' };
    expect(() => Config.read({ environment: wrong, workingFolder: folder })).toThrow(
      /is "\*{4}": expected .* 32 characters/,
    );
  });

  test('what a transfer must tell is read in pairs', () => {
    const read = (TIDEMARK_WECHAT_TRANSFER_REPORT: string) =>
      Config.read({ environment: { TIDEMARK_WECHAT_TRANSFER_REPORT }, workingFolder: folder });
    expect(read('岗位类型=推广员, 报酬说明=佣金').get('TIDEMARK_WECHAT_TRANSFER_REPORT')).toEqual([
      { info_type: '岗位类型', info_content: '推广员' },
      { info_type: '报酬说明', info_content: '佣金' },
    ]);
    expect(() => read('岗位类型')).toThrow(SetupError);
  });
});

test('the client libraries are loaded by whoever asks a provider, and by nobody else', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const imports = files.flatMap((name) =>
    readFileSync(join('src', name), 'utf8')
      .split('\n')
      .filter((line) => /'(alipay-sdk|wechatpay-axios-plugin)'/.test(line)),
  );
  expect(imports).toHaveLength(4);
  for (const line of imports) expect(line).toMatch(/^import type |await import\(|= import\(/);
});

describe('a key file', () => {
  test.each(['private', 'bare', 'bareOld'] as const)('%s is read as a private key', (name) =>
    expect(keyIn(files[name], 'private', setting)).toMatchObject({ type: 'private', asymmetricKeyType: 'rsa' }),
  );

  test('public is read as a public key', () =>
    expect(keyIn(files.public, 'public', setting)).toMatchObject({ type: 'public', asymmetricKeyType: 'rsa' }));

  test.each([
    ['private', 'public'],
    ['public', 'private'],
    ['text', 'private'],
    ['text', 'public'],
  ] as const)('%s is no %s key, and the setting and the file are named', (name, kind) =>
    expect(() => keyIn(files[name], kind, setting)).toThrow(
      `${files[name]}, which ${setting} names, holds no ${kind} RSA key`,
    ),
  );

  test('that is not there is told with its setting', () =>
    expect(() => keyIn(join(folder, 'none'), 'private', setting)).toThrow(
      /TIDEMARK_ALIPAY_KEY_FILE names a file that cannot be read: ENOENT/,
    ));
});

describe('times of the providers', () => {
  const instant = fc.integer({ min: Date.parse('2000-01-01'), max: Date.parse('2100-01-01') });

  test('are eight hours ahead of UTC', () => {
    expect(beijingText(Date.parse('2026-11-20T18:00:00Z'))).toBe('2026-11-21 02:00:00');
    expect(beijingIso(Date.parse('2026-11-20T18:00:00Z'))).toBe('2026-11-21T02:00:00+08:00');
  });

  test('are read back to the second, rounded down', () => {
    fc.assert(
      fc.property(instant, (at) => {
        const second = Math.floor(at / 1000) * 1000;
        expect(instantOfBeijing(beijingText(at))).toBe(second);
        expect(instantOfIso(beijingIso(at))).toBe(second);
      }),
    );
  });

  test.each([null, undefined, '', '2026-11-20', '2026-13-20 10:00:00', 'now', 20261120])('%s is none', (text) => {
    expect(instantOfBeijing(text)).toBeNull();
    expect(instantOfIso(text)).toBeNull();
  });
});
