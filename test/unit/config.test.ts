import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Config, parseDuration } from '../../src/platform/config.ts';
import { SetupError } from '../../src/platform/errors.ts';

describe('durations', () => {
  test.each([
    ['10s', 10_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['250ms', 250],
    [' 10s ', 10_000],
    ['0s', 0],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each(['', '10', 's', '-1s', '1.5h', '10 s', '10S', '1h30m', '10sec', '99999999999s', 'NaNs', '１０s'])(
    '"%s" is none',
    (text) => expect(parseDuration(text)).toBeNull(),
  );

  test('any text gives a whole number of milliseconds or nothing', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const ms = parseDuration(text);
        return ms === null || (Number.isSafeInteger(ms) && ms >= 0);
      }),
    );
  });
});

describe('Config', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-config-'));
    // Files of its own, though empty, so that no settings of this checkout are found.
    mkdirSync(join(folder, '.tidemark'));
    write('.env', '');
    write('.tidemark/local.env', '');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const read = (environment: Record<string, string> = {}) => Config.read({ environment, workingFolder: folder });
  const shown = (config: Config, name: string) => config.shown.find((setting) => setting.name === name);
  const failure = (work: () => unknown): SetupError => {
    try {
      work();
    } catch (error) {
      expect(error).toBeInstanceOf(SetupError);
      return error as SetupError;
    }
    throw new Error('no failure');
  };

  test('without anything: the defaults, and nothing is needed before it is asked for', () => {
    const config = read();
    expect(config.get('TIDEMARK_TIMEZONE')).toBe('Asia/Shanghai');
    expect(config.get('TIDEMARK_REDIS_PREFIX')).toBe('tidemark:');
    expect(config.get('TIDEMARK_STALL_TIMEOUT')).toBe(60_000);
    expect(config.get('TIDEMARK_MISSING_COLUMNS')).toBe('warn');
    expect(config.get('TIDEMARK_SETTLE_LAG')).toBeUndefined();
    expect(config.privateServersFile).toBeNull();
    const { message, next, exitCode } = failure(() => config.need('SOURCE_DATABASE_URL'));
    expect(exitCode).toBe(78);
    expect(message).toMatch(/^SOURCE_DATABASE_URL is missing: expected mysql:.*, such as mysql:.*plus$/);
    expect(next).toMatch(/\.env.*tidemark local up/);
  });

  test('the environment wins over .env, and that over the private servers; an empty text counts as absent', () => {
    write('.tidemark/local.env', 'TIDEMARK_REDIS_PREFIX=local:\nTIDEMARK_WINDOW_ROWS=1\nTIDEMARK_LOG_LEVEL=debug\n');
    write('.env', `TIDEMARK_REDIS_PREFIX='file:'\nTIDEMARK_WINDOW_ROWS=2 # a comment\n`);
    const config = read({ TIDEMARK_REDIS_PREFIX: 'env:', TIDEMARK_WINDOW_ROWS: '' });
    expect(shown(config, 'TIDEMARK_REDIS_PREFIX')).toMatchObject({ value: 'env:', from: 'environment', file: null });
    expect(shown(config, 'TIDEMARK_WINDOW_ROWS')).toMatchObject({
      value: '2',
      from: '.env',
      file: join(folder, '.env'),
    });
    expect(shown(config, 'TIDEMARK_LOG_LEVEL')).toMatchObject({ value: 'debug', from: '.tidemark/local.env' });
    expect(config.get('TIDEMARK_WINDOW_ROWS')).toBe(2);
    expect(config.privateServersFile).toBe(join(folder, '.tidemark/local.env'));
  });

  test('every mistake is told at once, with its place, what was expected and an example', () => {
    write('.env', 'TIDEMARK_LOG_LEVEL=loud\n');
    const { message, next } = failure(() => read({ REDIS_URL: 'localhost', TIDEMARK_WINDOW_ROWS: '1e3' }));
    const parts = message.split('; ');
    expect(parts).toHaveLength(3);
    expect(parts[0]).toMatch(/^REDIS_URL \(environment\) is ".*": expected redis:\/\/.* such as redis:/);
    expect(parts[1]).toMatch(/^TIDEMARK_WINDOW_ROWS \(environment\) is "1e3": expected a whole number/);
    expect(parts[2]).toMatch(/^TIDEMARK_LOG_LEVEL \(.*\.env\) is "loud": expected one of error, warn, info, debug/);
    expect(next).toMatch(/^correct it/);
  });

  test.each([
    'mysql://127.0.0.1/mia',
    'mysql://user@127.0.0.1:3306/mia',
    'mysql://user:p%40ss@[::1]:3306/mia?ssl=true',
    'mariadb://user:word@db.example.com/mia',
  ])('the address %s is taken', (url) => expect(read({ MAIN_DATABASE_URL: url }).get('MAIN_DATABASE_URL')).toBe(url));

  test.each([
    'mia',
    '127.0.0.1:3306/mia',
    'mysql:///mia',
    'mysql://127.0.0.1',
    'mysql://127.0.0.1/',
    'mysql://127.0.0.1:port/mia',
    'postgres://127.0.0.1/mia',
    'mysql://user:100%@127.0.0.1/mia',
  ])('the address %s is refused', (url) => {
    expect(failure(() => read({ MAIN_DATABASE_URL: url })).message).toContain('MAIN_DATABASE_URL (environment)');
  });

  test.each([
    ['mysql://user:topsecret@127.0.0.1/mia', 'mysql://user:****@127.0.0.1/mia'],
    ['mysql://user:topsecret:topsecret@127.0.0.1/mia', 'mysql://user:****@127.0.0.1/mia'],
    ['mysql://user@127.0.0.1/mia', 'mysql://user@127.0.0.1/mia'],
    ['mysql://user:topsecret%40topsecret@h/d', 'mysql://user:****@h/d'],
    ['mysql://user:topsecret@topsecret@h/d', 'mysql://user:****@h/d'],
  ])('%s is shown as %s', (url, masked) => {
    expect(shown(read({ SOURCE_DATABASE_URL: url }), 'SOURCE_DATABASE_URL')?.value).toBe(masked);
  });

  test('no password is ever shown or told, however malformed its address', () => {
    const part = fc.string({ maxLength: 6 });
    fc.assert(
      fc.property(
        part,
        part,
        fc.constantFrom('mysql://', 'redis://', '', 'mysql:/', 'http://'),
        (before, after, scheme) => {
          const text = `${scheme}user:${before}topsecret${after}@127.0.0.1:3306/mia`;
          let seen: string;
          try {
            seen = JSON.stringify(read({ MAIN_DATABASE_URL: text }).shown);
          } catch (error) {
            seen = (error as Error).message;
          }
          expect(seen).not.toContain('topsecret');
        },
      ),
    );
  });
});

test('local shows no passwords of the private servers either', async () => {
  const settings = {
    MAIN_DATABASE_URL: 'mysql://tidemark:topsecret@127.0.0.1:1/mia',
    REDIS_URL: 'redis://:topsecret@127.0.0.1:2/0',
  };
  const state = { mariadb: 'up', redis: 'up', mariadbPort: 1, redisPort: 2 };
  vi.doMock('../../src/platform/local/index.ts', () => ({
    up: async () => ({ started: true, settings }),
    status: async () => ({ ...state, settings }),
  }));
  const { local } = await import('../../src/cli/local.ts');
  const told: unknown[] = [];
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => told.push(JSON.parse(`${text}`)) > 0);
  await local.up({ json: true });
  await local.status({ json: true });
  stdout.mockRestore();
  const masked = {
    MAIN_DATABASE_URL: 'mysql://tidemark:****@127.0.0.1:1/mia',
    REDIS_URL: 'redis://:****@127.0.0.1:2/0',
  };
  expect(told).toEqual([
    { started: true, ...masked },
    { ...state, settings: masked },
  ]);
});
