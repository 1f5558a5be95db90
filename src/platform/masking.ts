/**
 * Keeps secrets out of what is written down: a text, or the fields of a log line.
 *
 * Promises: the secrets of the settings in force are masked wherever they stand, as they are and as an address encodes
 * them; and, whoever's they are: passwords in addresses, PEM blocks and bare keys, Authorization and cookies, values that
 * are named password, secret, token or the like, passwords in SQL, the secret parts of webhooks. Limits: a secret of
 * fewer than six characters, and one that nothing names, is not known as one. Rather too much is masked than too little.
 */
const stars = '****';

/** Shorter ones would hit words that mean nothing. */
const leastSecret = 6;
const depthMax = 6;

const quotedOrWord = String.raw`"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[^\s,;&"'{}[\]()<>]+`;
const secretName = String.raw`[\w.-]*(?:password|passwd|passphrase|pwd|secret|token|credential|api[_-]?key|private[_-]?key|access[_-]?key|signature)[\w.-]*`;

/** What each pattern leaves of what it finds. */
const patterns: readonly (readonly [RegExp, string])[] = [
  // PEM, also where it is cut off, or where its line ends are written out.
  [/(-----BEGIN [A-Z0-9 ]+-----)[\s\S]*?(?:-----END [A-Z0-9 ]+-----|$)/g, `$1${stars}`],
  // A key in bare base64, as Alipay's tool writes it.
  [/\bMI[A-Za-z0-9+/]{100,}={0,2}/g, stars],
  [/\beyJ[\w-]{10,}\.[\w-]{5,}\.[\w-]*/g, stars],
  // All up to the last @ may be a password.
  [/\b([a-z][a-z0-9+.-]*:\/\/[^\s/?#"'<>@:]*):[^\s"'<>]*@/gi, `$1:${stars}@`],
  [/\b(https?:\/\/)[^\s/?#"'<>@:*]+@/gi, `$1${stars}@`],
  [
    /(https?:\/\/(?:hooks\.slack\.com\/services|hc-ping\.com|open\.feishu\.cn\/open-apis\/bot\/v2\/hook|discord(?:app)?\.com\/api\/webhooks)\/)[^\s"'<>]+/gi,
    `$1${stars}`,
  ],
  [/([?&](?:key|sign|sig|auth|code)=)[^&\s"'<>]+/gi, `$1${stars}`],
  [
    /\b((?:proxy-)?authorization|(?:set-)?cookie)(\\?["']?\s*[:=]\s*)("(?:\\.|[^"\\])*"?|'[^']*'?|[^\r\n]+)/gi,
    `$1$2${stars}`,
  ],
  [/\b(Bearer\s+)[\w.~+/=-]{16,}/gi, `$1${stars}`],
  [
    /\b(IDENTIFIED\s+(?:(?:WITH|VIA)\s+\S+\s+)?(?:BY|AS|USING)\s+(?:PASSWORD\s+)?)(?:'(?:\\.|[^'\\])*'?|"(?:\\.|[^"\\])*"?)/gi,
    `$1${stars}`,
  ],
  [/\b(PASSWORD\s*\(\s*)(?:'(?:\\.|[^'\\])*'?|"(?:\\.|[^"\\])*"?)/gi, `$1${stars}`],
  // "(using password: YES)" tells no secret, and what is wrong.
  [
    new RegExp(String.raw`\b(${secretName})(\\?["']?\s*[:=]\s*)(?!YES\b|NO\b|\*{4})(?:${quotedOrWord})`, 'gi'),
    `$1$2${stars}`,
  ],
];

const secretField =
  /^(?:(?:proxy-?)?authorization|(?:set-?)?cookie|sign|.*(?:password|passwd|passphrase|pwd|secret|token|credentials?|api_?key|private_?key|access_?key|signature))$/i;

export class Mask {
  readonly #secrets: readonly string[];

  /** @param secrets what must not be seen, each as it is */
  constructor(secrets: readonly string[] = []) {
    const known = secrets.filter((secret) => secret.length >= leastSecret);
    const forms = new Set(known.flatMap((secret) => [secret, encodeURIComponent(secret)]));
    this.#secrets = [...forms].sort((a, b) => b.length - a.length); // one may be the beginning of another
  }

  text(text: string): string {
    let masked = text;
    for (const secret of this.#secrets) masked = masked.replaceAll(secret, stars);
    for (const [pattern, kept] of patterns) masked = masked.replace(pattern, kept);
    return masked;
  }

  /** The fields of a line, as plain JSON: what is named like a secret is masked whole. */
  fields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return this.#value(fields, depthMax) as Record<string, unknown>;
  }

  #value(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return this.text(value);
    if (typeof value === 'bigint') return String(value);
    if (typeof value !== 'object' || value === null) return value;
    if (depth === 0) return '…';
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
    if (value instanceof Error) return this.#value({ ...value, message: value.message }, depth);
    if (value instanceof URL) return this.text(value.href);
    if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`;
    if (Array.isArray(value)) return value.map((one) => this.#value(one, depth - 1));
    const entries = Object.entries(value).map(([name, one]) => [
      name,
      secretField.test(name) && one !== null && one !== undefined && one !== '' ? stars : this.#value(one, depth - 1),
    ]);
    return Object.fromEntries(entries);
  }
}
