/** What is examined: the settings, the jobs, and the databases that the settings lead to. */
import type { Job } from '../engine/job.ts';
import type { Zone } from '../engine/zone.ts';
import type { Config } from '../platform/config.ts';
import type { Reader } from '../platform/mysql.ts';
import { type DatabaseName, databaseSettings } from '../platform/settings.ts';
import type { Finding as CrontabFinding } from '../schedule/finding.ts';

export interface Patient {
  readonly config: Config;
  /** A sentence for each malformed setting; it has its default, or counts as unset. */
  readonly mistakes: readonly string[];
  /** Names that begin as settings do, and are none. */
  readonly unknown: readonly string[];
  /** The files that settings were read from. */
  readonly files: readonly string[];
  readonly jobs: readonly Job[];
  readonly zone: Zone;
  /** What is wrong with a crontab. */
  crontabFlaws(text: string, isSystemFile: boolean): readonly CrontabFinding[];
  /** The migrations that a database is to have. */
  migrationsOf(
    target: Job['target'],
    reader: Reader,
  ): Promise<readonly { readonly name: string; readonly sql: string }[]>;
}

/** A database, and what we call it; where two settings hold one address, it has both names. */
export interface Place {
  readonly names: readonly DatabaseName[];
  readonly url: URL;
}

/** The databases that have an address. */
export function placesOf({ config }: Patient): Place[] {
  const byAddress = new Map<string, DatabaseName[]>();
  for (const name of Object.keys(databaseSettings) as DatabaseName[]) {
    const address = config.get(databaseSettings[name]) as string | undefined;
    if (address !== undefined) byAddress.set(address, [...(byAddress.get(address) ?? []), name]);
  }
  return [...byAddress].map(([address, names]) => ({ names, url: new URL(address) }));
}

/** The first name of each database that jobs write. */
export const targetsOf = (patient: Patient): Job['target'][] => {
  // A team's list may be without jobs of the ledger, whose tables `migrate` then leaves out.
  const written: readonly DatabaseName[] = ['main', ...patient.jobs.map(({ target }) => target)];
  return placesOf(patient).flatMap(
    ({ names }) => names.find((name) => written.includes(name)) ?? [],
  ) as Job['target'][];
};

/** The jobs whose database has an address. */
export const jobsInUse = ({ jobs, config }: Patient): Job[] =>
  jobs.filter(({ target }) => config.get(databaseSettings[target]) !== undefined);

/** The jobs that write a database. */
export const jobsIn = (patient: Patient, target: Job['target']): Job[] => {
  const place = placesOf(patient).find(({ names }) => names.includes(target));
  return patient.jobs.filter((job) => place?.names.includes(job.target));
};

const local = new Set(['localhost', '127.0.0.1', '[::1]', '::1']);

export const isLocal = ({ hostname }: URL): boolean => local.has(hostname) || hostname.startsWith('127.');
