/**
 * The providers that the settings are there for. One with none of its own settings is not in use; one with some of them,
 * or with a key that cannot be read, is a mistake that a person must correct.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { SetupError } from '../platform/errors.ts';
import type { SettingName, SettingValue } from '../platform/settings.ts';
import { Alipay, type AlipayCertificates } from './alipay.ts';
import { certificateIn, keyIn } from './keys.ts';
import type { Provider, ProviderName } from './provider.ts';
import { Wechat } from './wechat.ts';

export type SettingOf = <Name extends SettingName>(name: Name) => SettingValue<Name>;

const alipaySettings = [
  'TIDEMARK_ALIPAY_APP_ID',
  'TIDEMARK_ALIPAY_KEY_FILE',
  'TIDEMARK_ALIPAY_PUBLIC_KEY_FILE',
] as const satisfies SettingName[];

const wechatSettings = [
  'TIDEMARK_WECHAT_MERCHANT_ID',
  'TIDEMARK_WECHAT_APP_ID',
  'TIDEMARK_WECHAT_KEY_FILE',
  'TIDEMARK_WECHAT_KEY_SERIAL',
  'TIDEMARK_WECHAT_PUBLIC_KEY_FILE',
  'TIDEMARK_WECHAT_PUBLIC_KEY_ID',
  'TIDEMARK_WECHAT_SECRET',
] as const satisfies SettingName[];

const makers = { alipay: alipayFrom, wechat: wechatFrom } as const;
const settingsOf = { alipay: alipaySettings, wechat: wechatSettings } as const;
const titles = { alipay: 'Alipay', wechat: 'WeChat Pay' } as const;

/** @throws SetupError naming every setting that is missing, or the one that is wrong */
export function providersFrom(setting: SettingOf): ReadonlyMap<ProviderName, Provider> {
  const used = (Object.keys(makers) as ProviderName[]).filter((name) => isInUse(name, setting));
  return new Map(used.map((name) => [name, providerFrom(name, setting)]));
}

export function isInUse(name: ProviderName, setting: SettingOf): boolean {
  return settingsOf[name].some((own) => setting(own) !== undefined);
}

/** One that cannot be done without. @throws SetupError also when none of its settings is there */
export function providerFrom(name: ProviderName, setting: SettingOf): Provider {
  const needed: readonly SettingName[] = [...settingsOf[name], 'TIDEMARK_NOTICE_URL'];
  const missing = needed.filter((own) => setting(own) === undefined);
  if (missing.length === 0) return makers[name](setting);
  throw new SetupError(
    `${titles[name]} cannot be asked: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`,
    'set what is missing in the environment or in .env: .env.example says what each is',
  );
}

function alipayFrom(setting: SettingOf): Provider {
  const privateKey = keyOf(setting, 'private', 'TIDEMARK_ALIPAY_KEY_FILE');
  return new Alipay({
    appId: have(setting, 'TIDEMARK_ALIPAY_APP_ID'),
    privateKey,
    publicKey: theirKey(setting, 'TIDEMARK_ALIPAY_PUBLIC_KEY_FILE', privateKey),
    certificates: alipayCertificates(setting, privateKey),
    gateway: have(setting, 'TIDEMARK_ALIPAY_GATEWAY'),
    noticeUrl: noticeUrl(setting, 'alipay'),
    timeoutMs: have(setting, 'TIDEMARK_PROVIDER_TIMEOUT'),
  });
}

/** Of an app that signs with certificates; null for one that signs with a key alone. */
function alipayCertificates(setting: SettingOf, privateKey: KeyObject): AlipayCertificates | null {
  const names = ['TIDEMARK_ALIPAY_CERT_FILE', 'TIDEMARK_ALIPAY_ROOT_CERT_FILE'] as const;
  const [own, root] = names.map((name) => setting(name));
  if (own === undefined && root === undefined) return null;
  const provider = 'TIDEMARK_ALIPAY_PUBLIC_KEY_FILE';
  return {
    own: certificateIn(have(setting, names[0]), names[0], privateKey),
    provider: certificateIn(have(setting, provider), provider, null),
    root: certificateIn(have(setting, names[1]), names[1], null),
  };
}

function wechatFrom(setting: SettingOf): Provider {
  const privateKey = keyOf(setting, 'private', 'TIDEMARK_WECHAT_KEY_FILE');
  return new Wechat({
    merchantId: have(setting, 'TIDEMARK_WECHAT_MERCHANT_ID'),
    appId: have(setting, 'TIDEMARK_WECHAT_APP_ID'),
    privateKey,
    keySerial: have(setting, 'TIDEMARK_WECHAT_KEY_SERIAL'),
    publicKey: theirKey(setting, 'TIDEMARK_WECHAT_PUBLIC_KEY_FILE', privateKey),
    publicKeyId: have(setting, 'TIDEMARK_WECHAT_PUBLIC_KEY_ID'),
    secret: have(setting, 'TIDEMARK_WECHAT_SECRET'),
    gateway: have(setting, 'TIDEMARK_WECHAT_GATEWAY'),
    noticeUrl: noticeUrl(setting, 'wechat'),
    transferScene: have(setting, 'TIDEMARK_WECHAT_TRANSFER_SCENE'),
    transferReport: have(setting, 'TIDEMARK_WECHAT_TRANSFER_REPORT'),
    timeoutMs: have(setting, 'TIDEMARK_PROVIDER_TIMEOUT'),
  });
}

const noticeUrl = (setting: SettingOf, name: ProviderName) =>
  `${have(setting, 'TIDEMARK_NOTICE_URL').replace(/\/+$/, '')}/${name}`;

const keyOf = (setting: SettingOf, kind: 'private' | 'public', name: KeyFile) => keyIn(have(setting, name), kind, name);

/** The provider's key. @throws SetupError for the public half of our own, with which no answer would ever verify */
function theirKey(setting: SettingOf, name: KeyFile, ours: KeyObject): KeyObject {
  const key = keyOf(setting, 'public', name);
  if (!createPublicKey(ours).equals(key)) return key;
  throw new SetupError(
    `${have(setting, name)}, which ${name} names, holds the public half of our own private key`,
    "expected the provider's public key, which its console shows",
  );
}

type KeyFile = Extract<SettingName, `TIDEMARK_${'ALIPAY' | 'WECHAT'}_${string}_FILE`>;

/** A setting that was seen to be there, or has a default. */
function have<Name extends SettingName>(setting: SettingOf, name: Name): NonNullable<SettingValue<Name>> {
  const value = setting(name);
  if (value === undefined || value === null) throw new SetupError(`${name} is missing`, '.env.example says what it is');
  return value as NonNullable<SettingValue<Name>>;
}
