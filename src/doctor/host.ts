/** This host: the folders that tidemark writes, and the room that is left in them. */
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { RunLogs } from '../platform/run-logs.ts';
import { broken, type Check, doubtful, type Finding, fine } from './check.ts';
import type { Patient } from './patient.ts';

const brokenBytes = 100_000_000;
const doubtfulBytes = 1_000_000_000;
/** Of the files that a file system can hold. */
const inodeShare = 0.02;

export const hostChecks = (patient: Patient): Check[] => [
  {
    group: 'host',
    about: 'the folder of statements',
    needs: [],
    look: async () => statements(patient.config.get('TIDEMARK_STATEMENTS')),
  },
  {
    group: 'host',
    about: 'logs and metrics',
    needs: [],
    look: async () => [
      ...written('TIDEMARK_LOG_FILE', patient.config.get('TIDEMARK_LOG_FILE'), broken, 'every run refuses to start'),
      ...written('TIDEMARK_METRICS_FILE', patient.config.get('TIDEMARK_METRICS_FILE'), doubtful, 'metrics stand still'),
      ...runLogs(patient),
    ],
  },
  {
    group: 'host',
    about: 'disks',
    needs: [],
    look: async () => disks(patient),
  },
];

const may = (path: string, mode: number): boolean => {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
};

function statements(folder: string | undefined): Finding[] {
  if (folder === undefined) return [];
  const what = `the folder of statements ${folder}`;
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    return [
      broken(
        `${what} is not there`,
        'fetch-statements cannot keep what it fetches, and reconcile-day finds nothing',
        `mkdir -p ${folder}, as the user whose crontab runs tidemark`,
      ),
    ];
  const { R_OK, W_OK, X_OK } = constants;
  if (!may(folder, R_OK | X_OK))
    return [broken(`${what} cannot be read`, 'reconcile-day finds no files of the counterparts', `ls -ld ${folder}`)];
  if (!may(folder, W_OK))
    return [
      doubtful(
        `${what} cannot be written`,
        'fetch-statements cannot keep what it fetches; files that others put there are read',
        `ls -ld ${folder}`,
      ),
    ];
  return [fine(`${what} can be read and written`)];
}

/** @param lost what is not there when it cannot be written */
function written(setting: string, file: string | undefined, found: typeof doubtful, lost: string): Finding[] {
  if (file === undefined) return [];
  const path = existsSync(file) ? file : dirname(resolve(file));
  if (may(path, constants.W_OK)) return [fine(`${file} of ${setting} can be written`)];
  return [found(`${file} of ${setting} cannot be written`, lost, `ls -ld ${path}`)];
}

/** Made by the first run that writes there; a run that cannot goes on without. */
function runLogs({ config }: Patient): Finding[] {
  const folder = RunLogs.of(config)?.folder;
  if (folder === undefined) return [];
  let above = folder;
  while (!existsSync(above)) above = dirname(above);
  if (statSync(above).isDirectory() && may(above, constants.W_OK))
    return [fine(`the logs of runs can be kept in ${folder}`)];
  return [
    doubtful(
      `the logs of runs cannot be kept in ${folder}`,
      'tidemark log has nothing to show of a run that failed',
      `ls -ld ${above}, or TIDEMARK_RUN_LOGS=/var/log/tidemark/runs`,
    ),
  ];
}

/** The folders that grow. */
function disks({ config }: Patient): Finding[] {
  const log = config.get('TIDEMARK_LOG_FILE');
  const wanted = [
    process.cwd(),
    log === undefined ? undefined : dirname(resolve(log)),
    config.get('TIDEMARK_STATEMENTS'),
    RunLogs.of(config)?.folder,
  ];
  const folders = wanted.filter((folder) => folder !== undefined).filter((folder) => existsSync(folder));
  const byDevice = new Map(folders.map((folder) => [statSync(folder).dev, folder]));
  return [...byDevice.values()].map((folder) => {
    const { bavail, bsize, files, ffree } = statfsSync(folder);
    return room(folder, { freeBytes: bavail * bsize, files, filesFree: ffree });
  });
}

export function room(
  folder: string,
  { freeBytes, files, filesFree }: { freeBytes: number; files: number; filesFree: number },
): Finding {
  const gigabytes = `${(freeBytes / 1e9).toFixed(1)} GB`;
  const find = `df -h ${folder}; du -xh ${folder} | sort -h | tail`;
  if (freeBytes < brokenBytes)
    return broken(`${gigabytes} are left where ${folder} is`, 'logs and statement files cannot be written', find);
  if (files > 0 && filesFree < files * inodeShare)
    return doubtful(
      `of the files that the disk of ${folder} can hold, ${filesFree} are left`,
      'no new file can be made when there are none',
      `df -i ${folder}`,
    );
  if (freeBytes < doubtfulBytes)
    return doubtful(`${gigabytes} are left where ${folder} is`, 'logs grow every day', find);
  return fine(`${gigabytes} are left where ${folder} is`);
}
