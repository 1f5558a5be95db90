/** Node, and the settings: what is missing, malformed, misspelt or readable by everybody. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { distance } from 'fastest-levenshtein';
import { isInUse, providerFrom } from '../payments/providers.ts';
import { ownFolder } from '../platform/config.ts';
import { SetupError } from '../platform/errors.ts';
import { type SettingName, settingNames } from '../platform/settings.ts';
import { broken, type Check, doubtful, type Finding, fine } from './check.ts';
import { jobsInUse, type Patient } from './patient.ts';

const needed = ['SOURCE_DATABASE_URL', 'MAIN_DATABASE_URL', 'REDIS_URL'] as const satisfies SettingName[];

export const settingsChecks = (patient: Patient): Check[] =>
  [
    ['Node', () => [node(process.versions.node)]],
    ['settings', () => settings(patient)],
    ['files of settings', () => files(patient.files)],
    ['payment providers', () => providers(patient)],
  ].map(([about, look]) => ({
    group: 'settings',
    about: about as string,
    needs: [],
    look: async () => (look as () => Finding[])(),
  }));

/** @param version of the Node that runs this */
export function node(version: string): Finding {
  const { engines } = JSON.parse(readFileSync(join(ownFolder, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
  const numbers = (text: string) => (text.match(/\d+/g) ?? []).map(Number);
  const [needMajor = 0, needMinor = 0] = numbers(engines.node);
  const [major = 0, minor = 0] = numbers(version);
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return fine(`Node ${version}`);
  return broken(
    `Node is ${version}, and ${engines.node} is needed`,
    'an older one lacks what tidemark is built on',
    'install Node 20.19 or later, then npm run build',
  );
}

function settings(patient: Patient): Finding[] {
  const { config, mistakes, unknown } = patient;
  const found = mistakes.map((mistake) =>
    broken(mistake, 'every command but doctor refuses to start', 'tidemark config'),
  );
  for (const name of needed)
    if (config.get(name) === undefined && !mistakes.some((mistake) => mistake.startsWith(`${name} `)))
      found.push(missing(complaintOf(config, name)));
  for (const name of unknown) {
    const [nearest] = [...settingNames].sort((a, b) => distance(name, a) - distance(name, b));
    const isNear = nearest !== undefined && distance(name, nearest) <= 4;
    found.push(
      doubtful(
        `${name} is no setting of tidemark${isNear ? `: did you mean ${nearest}?` : ''}`,
        'what it was meant to set has its default',
        'tidemark config',
      ),
    );
  }
  const reconciles = jobsInUse(patient).some(({ name }) => name === 'reconcile-day');
  if (reconciles && config.get('TIDEMARK_STATEMENTS') === undefined)
    found.push(
      doubtful(
        'TIDEMARK_STATEMENTS is not set',
        'fetch-statements and reconcile-day find no files of the counterparts without it',
        'TIDEMARK_STATEMENTS=/var/lib/tidemark/statements',
      ),
    );
  const set = config.shown.filter(({ from }) => from !== 'unset' && from !== 'default');
  if (found.length === 0) found.push(fine(`${set.length} settings are set, and well formed`));
  if (config.privateServersFile !== null)
    found.push(fine(`the private servers of ${config.privateServersFile} are used`));
  return found;
}

/** What a command that needs the setting would say. */
function complaintOf(config: Patient['config'], name: SettingName): string {
  try {
    config.require([name]);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

const missing = (says: string) =>
  broken(says, 'no job can run without it', 'set it in the environment or in .env: .env.example says what it is');

function files(names: readonly string[]): Finding[] {
  return names.map((name) => {
    const mode = statSync(name).mode & 0o777;
    if ((mode & 0o004) === 0) return fine(`${name} is not for everybody to read`);
    return doubtful(
      `everybody on this host may read ${name}`,
      'it holds the passwords of the databases',
      `chmod 600 ${name}`,
    );
  });
}

function providers({ config }: Patient): Finding[] {
  const setting = <Name extends SettingName>(name: Name) => config.get(name);
  return (['alipay', 'wechat'] as const)
    .filter((name) => isInUse(name, setting))
    .map((name) => {
      try {
        providerFrom(name, setting);
        return fine(`${name}: all settings are there, the keys can be read and are those of both sides`);
      } catch (error) {
        if (!(error instanceof SetupError)) throw error;
        return broken(
          error.message,
          `payments through ${name} cannot be made or checked`,
          error.next ?? 'tidemark config',
        );
      }
    });
}
