/** The settings of tidemark: what each must look like, its default, and what of it is secret. */
import { IANAZone } from 'luxon';
import * as v from 'valibot';
import { alarmSettings } from './alarm-settings.ts';
import { paymentSettings } from './payment-settings.ts';
import { type Definition, duration, isUrl } from './setting.ts';

const databaseUrl = v.pipe(
  v.string(),
  v.check((text) => isUrl(text, ['mysql:', 'mariadb:']) && new URL(text).pathname.length > 1),
);
const names = v.pipe(
  v.string(),
  v.transform((text) => text.split(',').map((name) => name.trim())),
  v.check((list) => list.every((name) => name !== '')),
);
const isPattern = (text: string): boolean => {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
};
const levels = ['error', 'warn', 'info', 'debug'] as const;
const databaseExample = 'mysql://user:password@127.0.0.1:3306/';
const expectsDatabase = 'mysql://user:password@host:port/database';

/** Every setting there is; what is malformed is told in the words of `expects` and `example`. */
export const definitions = {
  SOURCE_DATABASE_URL: {
    expects: expectsDatabase,
    example: `${databaseExample}plus`,
    secret: 'password',
    schema: databaseUrl,
  },
  MAIN_DATABASE_URL: {
    expects: expectsDatabase,
    example: `${databaseExample}mia`,
    secret: 'password',
    schema: databaseUrl,
  },
  LEDGER_DATABASE_URL: {
    expects: expectsDatabase,
    example: `${databaseExample}ledger`,
    secret: 'password',
    schema: databaseUrl,
  },
  REDIS_URL: {
    expects: 'redis://host:port or rediss://host:port',
    example: 'redis://127.0.0.1:6379/0',
    secret: 'password',
    schema: v.pipe(
      v.string(),
      v.check((text) => isUrl(text, ['redis:', 'rediss:'])),
    ),
  },
  TIDEMARK_TIMEZONE: {
    expects: 'a zone of the tz database',
    example: 'Asia/Shanghai',
    fallback: 'Asia/Shanghai',
    schema: v.pipe(
      v.string(),
      v.check((text) => IANAZone.isValidZone(text)),
    ),
  },
  TIDEMARK_REDIS_PREFIX: { expects: 'any text', example: 'tidemark:', fallback: 'tidemark:', schema: v.string() },
  TIDEMARK_WINDOW_ROWS: {
    expects: 'a whole number from 1 to 10000000',
    example: '50000',
    fallback: '50000',
    schema: v.pipe(v.string(), v.regex(/^\d{1,8}$/), v.transform(Number), v.minValue(1), v.maxValue(10_000_000)),
  },
  TIDEMARK_STALL_TIMEOUT: {
    expects: 'a duration of 1s or more',
    example: '60s',
    fallback: '60s',
    schema: duration(1000),
  },
  TIDEMARK_SETTLE_LAG: { expects: 'a duration of 1s or more', example: '10s', schema: duration(1000) },
  TIDEMARK_SETTLE_TAX: {
    expects: 'none or labour-cn: the tax that settle-month keeps back',
    example: 'labour-cn',
    fallback: 'none',
    schema: v.picklist(['none', 'labour-cn']),
  },
  TIDEMARK_SETTLE_MINIMUM: {
    expects: 'whole fen, 0 or more: the smallest sum that settle-month pays out',
    example: '10000',
    fallback: '0',
    schema: v.pipe(
      v.string(),
      v.regex(/^\d{1,15}$/),
      v.transform((text) => BigInt(text)),
    ),
  },
  TIDEMARK_ORDER_TABLES: {
    expects: 'a whole number from 1 to 64: over how many tables the orders are spread, fixed once they are made',
    example: '4',
    fallback: '4',
    schema: v.pipe(v.string(), v.regex(/^\d{1,2}$/), v.transform(Number), v.minValue(1), v.maxValue(64)),
  },
  TIDEMARK_STATEMENTS: {
    expects: "the folder of the counterparts' statement files",
    example: '/var/lib/tidemark/statements',
    schema: v.pipe(v.string(), v.nonEmpty()),
  },
  ...paymentSettings,
  TIDEMARK_PROVIDER_RATE: {
    expects: 'a whole number from 1 to 10000: requests in any second to a payment provider, of all processes together',
    example: '100',
    fallback: '100',
    schema: v.pipe(v.string(), v.regex(/^\d{1,5}$/), v.transform(Number), v.minValue(1), v.maxValue(10_000)),
  },
  TIDEMARK_EXEMPT_USERS: {
    expects: 'accounts of the source, with commas between, whose statements never write its tables',
    example: 'report,backup',
    schema: names,
  },
  TIDEMARK_EXEMPT_SCHEMAS: {
    expects: 'default schemas, with commas between, of connections whose statements never write the source tables',
    example: 'warehouse',
    schema: names,
  },
  TIDEMARK_EXEMPT_STATEMENTS: {
    expects: 'a regular expression that fits statements which never write the source tables',
    example: '^INSERT INTO warehouse[.]',
    schema: v.pipe(
      v.string(),
      v.check(isPattern),
      v.transform((text) => new RegExp(text, 'i')),
    ),
  },
  TIDEMARK_PAUSE_LIMIT: {
    expects: 'a duration of 1s or more: how long a job may be paused before somebody is alarmed',
    example: '24h',
    fallback: '24h',
    schema: duration(1000),
  },
  ...alarmSettings,
  TIDEMARK_MISSING_COLUMNS: {
    expects: 'warn or error: what a source column is that the target lacks',
    example: 'warn',
    fallback: 'warn',
    schema: v.picklist(['warn', 'error']),
  },
  TIDEMARK_DAEMON_PORT: {
    expects: 'a port for /healthz and /metrics of the daemon, 0 for none',
    example: '9464',
    fallback: '9464',
    schema: v.pipe(v.string(), v.regex(/^\d{1,5}$/), v.transform(Number), v.maxValue(65_535)),
  },
  TIDEMARK_DAEMON_ADDRESS: {
    expects: 'the address that the daemon listens on',
    example: '127.0.0.1',
    fallback: '127.0.0.1',
    schema: v.pipe(v.string(), v.nonEmpty()),
  },
  TIDEMARK_LOG_LEVEL: {
    expects: `one of ${levels.join(', ')}`,
    example: 'info',
    fallback: 'warn',
    schema: v.picklist(levels),
  },
  TIDEMARK_LOG_FILE: {
    expects: 'a file name',
    example: '/var/log/tidemark.log',
    schema: v.pipe(v.string(), v.nonEmpty()),
  },
  TIDEMARK_RUN_LOGS: {
    expects: "the folder that holds a log of each run; or none. Unset: .tidemark/runs in tidemark's own folder",
    example: '/var/log/tidemark/runs',
    schema: v.pipe(v.string(), v.nonEmpty()),
  },
  TIDEMARK_RUN_LOGS_KEEP: {
    expects: 'a duration of 1d or more: how long the logs of runs are kept',
    example: '30d',
    fallback: '30d',
    schema: duration(86_400_000),
  },
  TIDEMARK_METRICS_FILE: {
    expects: "a file name that ends in .prom, in the folder that node_exporter's textfile collector reads",
    example: '/var/lib/node_exporter/tidemark.prom',
    schema: v.pipe(v.string(), v.endsWith('.prom')),
  },
} satisfies Record<string, Definition>;

export type SettingName = keyof typeof definitions;
export const settingNames = Object.keys(definitions) as SettingName[];

export type Values = { [Name in SettingName]: v.InferOutput<(typeof definitions)[Name]['schema']> | undefined };
/** What a setting holds; undefined where it is not set and has no default. */
export type SettingValue<Name extends SettingName> = Values[Name];

export type DatabaseName = 'source' | 'main' | 'ledger';

export const databaseSettings = {
  source: 'SOURCE_DATABASE_URL',
  main: 'MAIN_DATABASE_URL',
  ledger: 'LEDGER_DATABASE_URL',
} as const satisfies Record<DatabaseName, SettingName>;
/** What `tidemark local up` writes. */
export const addresses = [...Object.values(databaseSettings), 'REDIS_URL'] as const;
