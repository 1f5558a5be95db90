/**
 * The settings in force, and where each came from. The only reader of the environment.
 *
 * The environment wins over `.env`, and that over `.tidemark/local.env`, which `tidemark local up` writes, and which is
 * read only where neither of the others names a server. Both files are looked for in the working folder and, where it has
 * none, in the folder of the team's package that was started, then in tidemark's own, so that a crontab line works from
 * any folder. All settings are checked at once, completely; a setting that a command does not need may be absent.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import * as v from 'valibot';
import { ownFolder, programFolder, shellEntryVariable } from './entry.ts';
import { SetupError } from './errors.ts';
import type { Definition } from './setting.ts';
import { addresses, definitions, type SettingName, settingNames, type Values } from './settings.ts';

export { ownFolder, ownVersion, programFolder } from './entry.ts';
export { parseDuration } from './setting.ts';

type Origin = 'environment' | '.env' | '.tidemark/local.env' | 'default' | 'unset';

/** A setting as `tidemark config` shows it: secrets masked. */
export interface SettingShown {
  readonly name: SettingName;
  readonly value: string | null;
  readonly from: Origin;
  readonly file: string | null;
}

interface ConfigOptions {
  readonly environment?: NodeJS.ProcessEnv;
  readonly workingFolder?: string;
}

interface ConfigExamined {
  readonly config: Config;
  /** A sentence for each malformed setting. */
  readonly mistakes: readonly string[];
  /** Names that begin as tidemark's settings do, and are none. */
  readonly unknown: readonly string[];
  /** The files that were read. */
  readonly files: readonly string[];
}

interface Layer {
  readonly from: Origin;
  readonly file: string | null;
  readonly values: Record<string, string | undefined>;
}

/** Whether errors that nobody foresaw are shown with the place where they arose. */
export const isDebugging = (): boolean => process.env.TIDEMARK_LOG_LEVEL === 'debug';

/** This process's environment with some settings put into it, for a process that we start. */
export function environmentWith(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, ...settings };
}

function fileLayer(from: Origin, path: string, folders: readonly string[]): Layer | null {
  for (const folder of folders) {
    const file = join(folder, path);
    try {
      return { from, file, values: parseEnv(readFileSync(file, 'utf8')) };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') {
        const reason = (error as Error).message;
        throw new SetupError(
          `cannot read the settings in ${file}: ${reason}`,
          'make it a file that this user may read',
        );
      }
    }
  }
  return null;
}

/**
 * Where settings come from, the first that has one wins. The private servers are taken together or not at all: beside the
 * address of a server of one's own, those of others would be a mixture that nobody wants.
 */
function layersOf(environment: NodeJS.ProcessEnv, folders: readonly string[]): Layer[] {
  const given: Layer[] = [{ from: 'environment', file: null, values: environment }];
  const file = fileLayer('.env', '.env', folders);
  if (file !== null) given.push(file);
  if (given.some(({ values }) => addresses.some((name) => (values[name] ?? '') !== ''))) return given;
  const local = fileLayer('.tidemark/local.env', '.tidemark/local.env', folders);
  return local === null ? given : [...given, local];
}

/** What people are shown. Of a malformed address, all before the last @ may be a password. */
function masked(text: string, secret: Definition['secret']): string {
  if (secret === undefined) return text;
  if (secret === 'whole') return '****';
  if (/^\w+:\/\/[^/:@]*@/.test(text)) return text;
  const shown = text.replace(/^(\w+:\/\/[^/:@]*):[\s\S]*@/, '$1:****@');
  return shown === text ? text.replace(/^[\s\S]*@/, '****@') : shown;
}

/** What of a setting must never be written down: all of it, or its password as it is typed and as it is meant. */
function secretsIn(text: string, secret: Definition['secret']): string[] {
  if (secret === undefined) return [];
  if (secret === 'whole') return [text];
  if (!URL.canParse(text)) return [];
  const { username, password, hostname, pathname } = new URL(text);
  const meant = decodeURIComponent(password);
  // A password that is the name of the account or the database would hide what everybody may see.
  return [username, hostname, pathname.slice(1)].includes(meant) ? [] : [password, meant].filter((one) => one !== '');
}

const defaultOf = ({ fallback, schema }: Definition): unknown =>
  fallback === undefined ? undefined : v.parse(schema, fallback);

export class Config {
  readonly shown: readonly SettingShown[];
  /** What must never be written down. */
  readonly secrets: readonly string[];
  readonly #values: Partial<Record<SettingName, unknown>>;

  private constructor(
    shown: readonly SettingShown[],
    values: Partial<Record<SettingName, unknown>>,
    secrets: readonly string[],
  ) {
    this.shown = shown;
    this.secrets = secrets;
    this.#values = values;
  }

  /**
   * Reads and checks every setting.
   *
   * @throws SetupError naming every malformed setting, what was expected and an example of each
   */
  static read(options: ConfigOptions = {}): Config {
    const { config, mistakes } = Config.examine(options);
    if (mistakes.length > 0) throw new SetupError(mistakes.join('; '), 'correct it where it is set, then run again');
    return config;
  }

  /** Reads every setting; a malformed one is told, and has its default or counts as unset. */
  static examine(options: ConfigOptions = {}): ConfigExamined {
    const folders = [...new Set([options.workingFolder ?? process.cwd(), programFolder(), ownFolder])];
    const layers = layersOf(options.environment ?? process.env, folders);
    const shown: SettingShown[] = [];
    const values: Partial<Record<SettingName, unknown>> = {};
    const secrets: string[] = [];
    const mistakes: string[] = [];
    for (const name of settingNames) {
      const definition: Definition = definitions[name];
      const layer = layers.find((candidate) => (candidate.values[name] ?? '') !== '');
      const text = layer?.values[name] ?? definition.fallback;
      const from = layer?.from ?? (definition.fallback === undefined ? 'unset' : 'default');
      const value = text === undefined ? null : masked(text, definition.secret);
      shown.push({ name, value, from, file: layer?.file ?? null });
      if (text === undefined) continue;
      const parsed = v.safeParse(definition.schema, text);
      if (parsed.success) {
        values[name] = parsed.output;
        secrets.push(...secretsIn(text, definition.secret));
      } else {
        values[name] = defaultOf(definition);
        mistakes.push(
          `${name} (${layer?.file ?? from}) is "${value}": expected ${definition.expects}, such as ${definition.example}`,
        );
      }
    }
    const known = new Set<string>([...settingNames, shellEntryVariable]);
    const unknown = layers.flatMap(({ values }) =>
      Object.keys(values).filter((name) => name.startsWith('TIDEMARK_') && !known.has(name)),
    );
    const files = layers.map(({ file }) => file).filter((file) => file !== null);
    return { config: new Config(shown, values, secrets), mistakes, unknown, files };
  }

  get<Name extends SettingName>(name: Name): Values[Name] {
    return this.#values[name] as Values[Name];
  }

  /**
   * A setting that the command cannot do without.
   *
   * @throws SetupError when it is missing
   */
  need<Name extends SettingName>(name: Name): NonNullable<Values[Name]> {
    this.require([name]);
    return this.get(name) as NonNullable<Values[Name]>;
  }

  /** @throws SetupError naming all of these that are missing */
  require(names: readonly SettingName[]): void {
    const missing = names.filter((name) => this.get(name) === undefined);
    if (missing.length === 0) return;
    const told = missing.map((name) => {
      const { expects, example } = definitions[name];
      return `${name} is missing: expected ${expects}, such as ${example}`;
    });
    throw new SetupError(
      told.join('; '),
      'set it in the environment or in .env; `tidemark local up` starts private servers to try with',
    );
  }

  /** Whether a setting names one of the private servers. */
  isPrivate(name: SettingName): boolean {
    return this.shown.some((setting) => setting.name === name && setting.from === '.tidemark/local.env');
  }

  /** The file of `tidemark local up`, when a setting in force came from it. */
  get privateServersFile(): string | null {
    return this.shown.find((setting) => setting.from === '.tidemark/local.env')?.file ?? null;
  }
}
