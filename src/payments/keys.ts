/** RSA keys from files: PEM of any kind (a certificate, too, for a public key), or the bare base64 that Alipay's tool writes. */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SetupError } from '../platform/errors.ts';

type Kind = 'private' | 'public';

/** @throws SetupError naming the setting and the file */
export function keyIn(file: string, kind: Kind, setting: string): KeyObject {
  const text = textIn(file, setting);
  for (const key of candidates(text, kind)) if (key?.asymmetricKeyType === 'rsa') return key;
  throw new SetupError(
    `${file}, which ${setting} names, holds no ${kind} RSA key`,
    'expected a PEM file, such as one that begins with -----BEGIN',
  );
}

/**
 * A certificate, as PEM; a file may hold several, one after the other.
 *
 * @param privateKey what the certificate must be of, when it is our own
 * @throws SetupError naming the setting and the file
 */
export function certificateIn(file: string, setting: string, privateKey: KeyObject | null): string {
  const text = textIn(file, setting);
  let isOfKey: boolean;
  try {
    const certificate = new X509Certificate(text);
    isOfKey = privateKey === null || certificate.checkPrivateKey(privateKey);
  } catch {
    throw new SetupError(
      `${file}, which ${setting} names, holds no certificate`,
      'expected a PEM file that begins with -----BEGIN CERTIFICATE-----',
    );
  }
  if (isOfKey) return text;
  throw new SetupError(`${file}, which ${setting} names, is the certificate of another key than our private one`);
}

function textIn(file: string, setting: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new SetupError(`${setting} names a file that cannot be read: ${(error as Error).message}`, `ls -l ${file}`);
  }
}

function* candidates(text: string, kind: Kind): Generator<KeyObject | null> {
  if (text.includes('-----BEGIN')) {
    // A public key can be made from a private one: then the wrong file was named.
    const isPrivate = text.includes('PRIVATE KEY-----');
    if (isPrivate === (kind === 'private'))
      yield made(() => (isPrivate ? createPrivateKey(text) : createPublicKey(text)));
    return;
  }
  const key = Buffer.from(text.replaceAll(/\s/g, ''), 'base64');
  const format = 'der';
  if (kind === 'public') yield made(() => createPublicKey({ key, format, type: 'spki' }));
  else for (const type of ['pkcs8', 'pkcs1'] as const) yield made(() => createPrivateKey({ key, format, type }));
}

function made(make: () => KeyObject): KeyObject | null {
  try {
    return make();
  } catch {
    return null;
  }
}
