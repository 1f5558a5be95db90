/** The tables that tidemark owns: whether all migrations were made, and none by a newer tidemark. */
import { appliedNames } from '../platform/migrator.ts';
import { broken, type Check, doubtful, type Finding, fine } from './check.ts';
import { type Patient, placesOf, targetsOf } from './patient.ts';

export const migrationChecks = (patient: Patient): Check[] =>
  targetsOf(patient).map((name) => ({
    group: 'tables',
    about: `migrations of the ${name} database`,
    needs: [name],
    async look(access) {
      const session = await access.session(name);
      const names = placesOf(patient).find((place) => place.names.includes(name))?.names ?? [];
      const wanted = new Set<string>();
      for (const target of names)
        if (target !== 'source')
          for (const migration of await patient.migrationsOf(target, session)) wanted.add(migration.name);
      return judge(name, [...wanted], await appliedNames(session));
    },
  }));

function judge(database: string, wanted: readonly string[], applied: ReadonlySet<string>): Finding[] {
  const missing = wanted.filter((name) => !applied.has(name)).sort();
  const known = new Set(wanted);
  const newest = [...wanted].sort().at(-1) ?? '';
  const newer = [...applied].filter((name) => !known.has(name) && name > newest);
  const found: Finding[] = [];
  if (missing.length > 0)
    found.push(
      broken(
        `the ${database} database lacks ${missing.length} of ${wanted.length} migrations, from ${missing[0]} on`,
        'jobs write tables and columns that are not there',
        'tidemark migrate',
      ),
    );
  if (newer.length > 0)
    found.push(
      doubtful(
        `the ${database} database was migrated by a newer tidemark than this one: ${newer.join(', ')}`,
        'another host runs a newer version, and the two may not agree on what a table means',
        'update this installation: git pull && npm ci && npm run build',
      ),
    );
  return found.length > 0 ? found : [fine(`all ${wanted.length} migrations of the ${database} database are there`)];
}
