/** The channels that have settings, several at once. */
import type { Config } from '../platform/config.ts';
import { SetupError } from '../platform/errors.ts';
import type { SettingName } from '../platform/settings.ts';
import type { Channel, Delivery } from './channel.ts';
import { dingtalk, slack, webhook, wecom } from './chats.ts';
import { commandChannel } from './command.ts';
import { mail } from './mail.ts';
import type { Message } from './message.ts';

/** The channels that have settings. @throws SetupError where a setting lacks its companion */
export function channelsOf(config: Config): Channel[] {
  const timeoutMs = config.need('TIDEMARK_ALARM_TIMEOUT');
  const given = <Name extends SettingName>(name: Name) => config.get(name);
  const [web, ding, work, hook] = [
    given('TIDEMARK_ALARM_WEBHOOK'),
    given('TIDEMARK_ALARM_DINGTALK'),
    given('TIDEMARK_ALARM_WECOM'),
    given('TIDEMARK_ALARM_SLACK'),
  ];
  const [to, line] = [given('TIDEMARK_ALARM_MAIL_TO'), given('TIDEMARK_ALARM_COMMAND')];
  const channels = [
    web === undefined ? null : webhook(web, timeoutMs),
    ding === undefined ? null : dingtalk(ding, given('TIDEMARK_ALARM_DINGTALK_SECRET'), timeoutMs),
    work === undefined ? null : wecom(work, timeoutMs),
    hook === undefined ? null : slack(hook, timeoutMs),
    to === undefined ? null : mail({ to, ...mailBy(config), timeoutMs }),
    line === undefined ? null : commandChannel(line, timeoutMs),
  ];
  return channels.filter((channel) => channel !== null);
}

function mailBy(config: Config): { from: string; smtp: string } {
  const [from, smtp] = [config.get('TIDEMARK_ALARM_MAIL_FROM'), config.get('TIDEMARK_ALARM_SMTP')];
  if (from !== undefined && smtp !== undefined) return { from, smtp };
  const missing = from === undefined ? 'TIDEMARK_ALARM_MAIL_FROM' : 'TIDEMARK_ALARM_SMTP';
  throw new SetupError(
    `TIDEMARK_ALARM_MAIL_TO needs ${missing}, too`,
    'tidemark config, and .env.example for the form',
  );
}

/** Sends by all channels at once; one that is broken hides no other. */
export function deliver(channels: readonly Channel[], message: Message): Promise<Delivery[]> {
  return Promise.all(
    channels.map(async ({ name: channel, send }) => {
      const startedAt = Date.now();
      const outcome = await send(message).then(
        (remark) => ({ error: null, remark }),
        (error: Error) => ({ error: error.message, remark: null }),
      );
      return { channel, ms: Date.now() - startedAt, ...outcome };
    }),
  );
}
