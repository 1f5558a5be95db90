/**
 * The keys of the sandbox: of the merchant and of each provider, made once and kept as files, so that a gateway that
 * starts again on the same folder is the same one. For trying and testing only.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** One side's key pair. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly privateFile: string;
  readonly publicFile: string;
}

export interface SandboxKeys {
  readonly alipay: { readonly merchant: KeyPair; readonly provider: KeyPair };
  readonly wechat: { readonly merchant: KeyPair; readonly provider: KeyPair; readonly secret: string };
}

const bits = 2048;

export async function keysIn(folder: string): Promise<SandboxKeys> {
  mkdirSync(folder, { recursive: true });
  const names = ['alipay-merchant', 'alipay-provider', 'wechat-merchant', 'wechat-provider'];
  const [one, two, three, four] = await Promise.all(names.map((name) => pairIn(folder, name)));
  const secretFile = join(folder, 'wechat-secret');
  if (!existsSync(secretFile)) putWhole(secretFile, randomBytes(16).toString('hex'));
  return {
    alipay: { merchant: one as KeyPair, provider: two as KeyPair },
    wechat: { merchant: three as KeyPair, provider: four as KeyPair, secret: readFileSync(secretFile, 'utf8') },
  };
}

async function pairIn(folder: string, name: string): Promise<KeyPair> {
  const [privateFile, publicFile] = [join(folder, `${name}-key.pem`), join(folder, `${name}-public-key.pem`)];
  if (!existsSync(publicFile)) {
    const made = await promisify(generateKeyPair)('rsa', { modulusLength: bits });
    putWhole(privateFile, made.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    putWhole(publicFile, made.publicKey.export({ type: 'spki', format: 'pem' }).toString());
  }
  const privateKey = createPrivateKey(readFileSync(privateFile, 'utf8'));
  return { privateKey, publicKey: createPublicKey(privateKey), privateFile, publicFile };
}

function putWhole(file: string, text: string): void {
  writeFileSync(`${file}.part`, text, { mode: 0o600 });
  renameSync(`${file}.part`, file);
}
