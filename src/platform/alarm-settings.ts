/** The settings of alarms: where they go, and when something is worth one. Addresses of robots hold their secrets. */
import * as v from 'valibot';
import { type Definition, duration, isUrl, text, webAddress } from './setting.ts';

const address = v.pipe(
  v.string(),
  v.transform((value) => value.trim()),
  v.regex(/^[^\s@]+@[^\s@]+$|^[^<>]*<[^\s@<>]+@[^\s@<>]+>$/),
);
const addresses = v.pipe(
  v.string(),
  v.transform((value) => value.split(',').map((one) => one.trim())),
  v.array(address),
);
const smtpAddress = v.pipe(
  v.string(),
  v.check((value) => isUrl(value, ['smtp:', 'smtps:'])),
);
const names = v.pipe(
  v.string(),
  v.transform((value) => value.split(',').map((name) => name.trim())),
);

export const alarmSettings = {
  TIDEMARK_ALARM_WEBHOOK: {
    expects: 'an address that takes alarms as JSON',
    example: 'https://alarms.example.com/tidemark',
    secret: 'whole',
    schema: webAddress,
  },
  TIDEMARK_ALARM_DINGTALK: {
    expects: 'the address of a robot of a DingTalk group',
    example: 'https://oapi.dingtalk.com/robot/send?access_token=…',
    secret: 'whole',
    schema: webAddress,
  },
  TIDEMARK_ALARM_DINGTALK_SECRET: {
    expects: "the robot's secret for signatures, where it asks for them",
    example: 'SEC…',
    secret: 'whole',
    schema: text,
  },
  TIDEMARK_ALARM_WECOM: {
    expects: 'the address of a robot of a WeCom group',
    example: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…',
    secret: 'whole',
    schema: webAddress,
  },
  TIDEMARK_ALARM_SLACK: {
    expects: 'the address of an incoming webhook of Slack',
    example: 'https://hooks.slack.com/services/…',
    secret: 'whole',
    schema: webAddress,
  },
  TIDEMARK_ALARM_MAIL_TO: {
    expects: 'addresses of e-mail, with commas between',
    example: 'oncall@example.com',
    schema: addresses,
  },
  TIDEMARK_ALARM_MAIL_FROM: {
    expects: 'the sender of alarms by e-mail',
    example: 'tidemark@example.com',
    schema: address,
  },
  TIDEMARK_ALARM_SMTP: {
    expects: 'smtp://user:password@host:port, or smtps://',
    example: 'smtps://user:password@smtp.example.com',
    secret: 'password',
    schema: smtpAddress,
  },
  TIDEMARK_ALARM_COMMAND: {
    expects: 'a shell line that gets alarms as JSON on its standard input',
    example: '/usr/local/bin/page-oncall',
    schema: text,
  },
  TIDEMARK_ALARM_TIMEOUT: {
    expects: 'a duration of 100ms or more: how long a channel may take to answer',
    example: '10s',
    fallback: '10s',
    schema: duration(100),
  },
  TIDEMARK_ALARM_REMINDER: {
    expects: 'a duration of 1m or more: after which what still stands is told again',
    example: '4h',
    fallback: '4h',
    schema: duration(60_000),
  },
  TIDEMARK_ALARM_FAILURES: {
    expects: 'a whole number from 1 to 100: runs of a shard that fail in a row before somebody is told',
    example: '3',
    fallback: '3',
    schema: v.pipe(v.string(), v.regex(/^\d{1,3}$/), v.transform(Number), v.minValue(1), v.maxValue(100)),
  },
  TIDEMARK_ALARM_HELD: {
    expects: 'a duration of 1s or more: how long a transaction or statement may hold a watermark back',
    example: '10m',
    fallback: '10m',
    schema: duration(1000),
  },
  TIDEMARK_UNUSED_JOBS: {
    expects: 'names of jobs, with commas between, that this installation does not use: nobody misses them',
    example: 'fetch-statements,settle-month',
    schema: names,
  },
  TIDEMARK_PING_URL: {
    expects: 'the address that hears of every run, with {job} and perhaps {shard} in it',
    example: 'https://hc-ping.com/your-ping-key/{job}',
    secret: 'whole',
    schema: v.pipe(
      webAddress,
      v.check((value) => value.includes('{job}')),
    ),
  },
} satisfies Record<string, Definition>;
