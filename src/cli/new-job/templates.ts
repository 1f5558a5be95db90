/** The texts that `tidemark new-job` writes: a job of each kind, and its test. They run as they are. */

export interface JobText {
  readonly name: string;
  /** The name in code: `syncCoupon`. */
  readonly variable: string;
  readonly kind: 'table' | 'following' | 'period';
  readonly schedule: string;
  /** A table of the source database; for the other kinds, of the target. */
  readonly source: string;
  readonly time: string;
  readonly key: string;
  readonly target: string;
  /** The job that is followed, and the column by whose hours it is summed up. */
  readonly follows: string;
  readonly by: string;
}

/** How code is written where the job goes. */
export interface Style {
  readonly typed: boolean;
  /** Where things come from: `tidemark`, or files of this repository. */
  readonly contract: string;
  readonly sync: string;
  readonly bench: string;
  /** From the test to the list of jobs. */
  readonly list: string;
  readonly runner: 'vitest' | 'node';
  /** In tidemark's own repository, where tests share their servers. */
  readonly here: boolean;
}

export function jobText(job: JobText, style: Style): string {
  return { table: tableJob, following: followingJob, period: periodJob }[job.kind](job, style);
}

const typed = ({ typed: isTyped }: Style, text: string): string => (isTyped ? text : '');
const imports = (style: Style, names: string, types: string): string =>
  `import { ${[names, typed(style, types)].filter((text) => text !== '').join(', ')} } from '${style.contract}';\n`;

function tableJob({ name, variable, schedule, source, time, key, target }: JobText, style: Style): string {
  const both = style.contract === style.sync;
  return `${imports(style, both ? 'defineJob, syncTable' : 'defineJob', '')}${both ? '' : `import { syncTable } from '${style.sync}';\n`}
/** Changed rows of ${source}, copied into the main database. */
export const ${variable} = defineJob({
  name: '${name}',
  summary: 'copies changed rows of ${source} into the main database',
  shards: [],
  schedule: '${schedule}',
  target: 'main',
  source: { table: () => '${source}', time: '${time}', key: '${key}' },
  ...syncTable({ table: '${target}', time: '${time}', key: '${key}' }),
});
`;
}

function followingJob(job: JobText, style: Style): string {
  const { name, variable, schedule, source, time, target, follows, by } = job;
  return `${imports(style, 'defineJob', 'type FollowingContext, type Part')}
/** Rows of ${source} by the hour of ${by}. Follows ${follows}, which copies them. */
export const ${variable} = defineJob({
  name: '${name}',
  summary: 'counts rows of ${source} by the hour',
  shards: [],
  schedule: '${schedule}',
  // What ${follows} has mended behind its checkpoint is in no window: once a night, all of it from the data.
  also: [{ schedule: '40 3 * * *', options: ['--full'], why: 'what was swept or mended behind the checkpoint' }],
  target: 'main',
  tables: [
    \`CREATE TABLE IF NOT EXISTS ${target} (hour DATETIME NOT NULL PRIMARY KEY, entries BIGINT NOT NULL) ENGINE = InnoDB\`,
  ],
  follows: '${follows}',
  rangeUnit: 'hour',
  async oldest(target, zone) {
    const [row] = await target.tuples('SELECT CAST(MIN(${by}) AS CHAR) FROM ${source}');
    const oldest = zone.fromText(row?.[0] === undefined || row[0] === null ? null : String(row[0]));
    return oldest === null ? null : zone.hour(oldest);
  },
  pending: async () => false,
  async apply({ scope, window, zone, target, progress }${typed(style, ': FollowingContext')})${typed(style, ': Promise<Part>')} {
    // Computed anew from the data, never added to: an hour may be taken any number of times.
    if (scope === 'all')
      await target.write('DELETE FROM ${target} WHERE hour >= ? AND hour < ?', [
        zone.text(window.start),
        zone.text(window.end),
      ]);
    const column = scope === 'all' ? '${by}' : '${time}';
    const hours = await target.tuples(
      \`SELECT DISTINCT DATE_FORMAT(${by}, '%Y-%m-%d %H:00:00') FROM ${source} WHERE \${column} >= ? AND \${column} < ? ORDER BY 1\`,
      [zone.text(window.start), zone.text(window.end)],
    );
    for (const [hour = null] of hours) {
      await target.write(
        \`REPLACE INTO ${target} SELECT ?, COUNT(*) FROM ${source} WHERE ${by} >= ? AND ${by} < ? + INTERVAL 1 HOUR\`,
        [hour, hour, hour],
      );
    }
    progress(hours.length);
    const counts = { read: hours.length, inserted: 0, updated: hours.length, unchanged: 0, deadLetters: 0 };
    return { counts, resume: null };
  },
});
`;
}

function periodJob({ name, variable, schedule, source, time, key, target }: JobText, style: Style): string {
  return `${imports(style, 'defineJob', 'type Part, type PeriodContext')}
/** Rows of ${source} by the day, each day once it is over. */
export const ${variable} = defineJob({
  name: '${name}',
  summary: 'counts rows of ${source} by the day',
  shards: [],
  schedule: '${schedule}',
  target: 'main',
  tables: [
    \`CREATE TABLE IF NOT EXISTS ${target} (day DATE NOT NULL PRIMARY KEY, entries BIGINT NOT NULL) ENGINE = InnoDB\`,
  ],
  period: 'day',
  // A day is taken when no row of it can still be on its way into this table.
  needs: { table: '${source}', time: '${time}', key: '${key}' },
  async oldest({ target, zone }) {
    const [row] = await target.tuples('SELECT CAST(MIN(${time}) AS CHAR) FROM ${source}');
    return zone.fromText(row?.[0] === undefined || row[0] === null ? null : String(row[0]));
  },
  async apply({ period, window, zone, target }${typed(style, ': PeriodContext')})${typed(style, ': Promise<Part>')} {
    const [row] = await target.tuples('SELECT COUNT(*) FROM ${source} WHERE ${time} >= ? AND ${time} < ?', [
      zone.text(window.start),
      zone.text(window.end),
    ]);
    const entries = Number(row?.[0]);
    await target.write('REPLACE INTO ${target} VALUES (?, ?)', [period, entries]);
    return { counts: { read: entries, inserted: 1, updated: 0, unchanged: 0, deadLetters: 0 }, resume: null };
  },
});
`;
}

/** A test against private servers, in which the job meets rows of two days ago. */
export function testText(job: JobText, style: Style): string {
  const { made, adopted, got, expected } = scenes[job.kind](job);
  return `${headOfTest(job, style)}
let bench${typed(style, ': Bench')};
before(async () => {
  bench = await openBench({ jobs${style.here ? ", servers: benchServers(inject('servers'))" : ''} });
  const day = bench.daysAgo(2);
${made}
  await bench.migrate('${job.name}');${adopted === undefined ? '' : `\n${adopted}`}
}${style.runner === 'vitest' && !style.here ? ', 120_000' : ''});
after(() => bench.close());

const result = () => bench.main.tuples('${got}');

test('what is there is taken in once, and not again by the next run', async () => {
  await bench.run('${job.name}');
  const day = bench.daysAgo(2);
  assert.deepEqual(await result(), ${expected});
  await bench.run('${job.name}');
  assert.deepEqual(await result(), ${expected});
});

test('all of it once more changes nothing: the effects are functions of the data', async () => {
  const before = await result();
  await bench.run('${job.name}', { kind: 'full' });
  assert.deepEqual(await result(), before);
});
`;
}

function headOfTest({ name }: JobText, style: Style): string {
  const names = style.runner === 'node' ? 'after, before, test' : 'afterAll as after, beforeAll as before, test';
  const runner = `import { ${style.here ? names.replace('test', 'inject, test') : names} } from '${style.runner === 'node' ? 'node:test' : 'vitest'}';`;
  const list = `import { jobs } from '${style.list}';`;
  const bench = `import { ${typed(style, 'type Bench, ')}openBench } from '${style.bench}';`;
  const lines = style.here
    ? [runner, list, bench, "import { benchServers } from '../support/servers.ts';"]
    : [runner, bench, list];
  return `/** ${name}, against private servers, in databases of its own. */
import assert from 'node:assert/strict';
${lines.join('\n')}
`;
}

interface Scene {
  /** Makes the tables that the job reads, with rows in them. */
  readonly made: string;
  /** What is as if it had run. */
  readonly adopted?: string;
  /** Reads what it has made of them. */
  readonly got: string;
  readonly expected: string;
}

/** In the test: a template with its `day`. */
const tenOclock = `\`\${day} 10:00:00\``;

const scenes: Record<JobText['kind'], (job: JobText) => Scene> = {
  table: ({ source, time, key, target }) => ({
    made: [
      `  // The table as it really is goes here: SHOW CREATE TABLE ${source}`,
      written(
        'source',
        `CREATE TABLE ${source} (${key} BIGINT NOT NULL PRIMARY KEY, ${time} DATETIME NOT NULL, KEY (${time}))`,
      ),
      written(
        'source',
        `INSERT INTO ${source} (${key}, ${time}) VALUES (1, '\${day} 10:00:00'), (2, '\${day} 10:00:00')`,
      ),
    ].join('\n'),
    got: `SELECT ${key}, ${time} FROM ${target} ORDER BY 1`,
    expected: `[\n    ['1', ${tenOclock}],\n    ['2', ${tenOclock}],\n  ]`,
  }),
  following: ({ source, time, key, by, target, follows }) => ({
    made: [
      '  // The table as it really is goes here.',
      written(
        'main',
        `CREATE TABLE ${source} (${key} BIGINT NOT NULL PRIMARY KEY, ${by} DATETIME NOT NULL, ${time} DATETIME NOT NULL)`,
      ),
      written(
        'main',
        `INSERT INTO ${source} VALUES (1, '\${day} 10:00:00', '\${day} 10:00:00'), (2, '\${day} 10:30:00', '\${day} 12:00:00')`,
      ),
    ].join('\n'),
    adopted: `  await bench.setCheckpoint('${follows}', bench.daysAgo(1)); // as if it had copied them`,
    got: `SELECT * FROM ${target} ORDER BY 1`,
    expected: `[[${tenOclock}, '2']]`,
  }),
  period: ({ source, time, key, target }) => ({
    made: [
      '  // The table as it really is goes here.',
      written(
        'main',
        `CREATE TABLE ${source} (${key} BIGINT NOT NULL PRIMARY KEY, ${time} DATETIME NOT NULL, KEY (${time}))`,
      ),
      written(
        'main',
        `INSERT INTO ${source} (${key}, ${time}) VALUES (1, '\${day} 10:00:00'), (2, '\${day} 23:59:59')`,
      ),
    ].join('\n'),
    got: `SELECT * FROM ${target} WHERE entries > 0 ORDER BY 1`,
    expected: "[[day, '2']]",
  }),
};

/** A statement in the test; as the formatter of this repository would have it. */
function written(database: string, sql: string): string {
  const quote = sql.includes('{day}') ? '`' : "'";
  const line = `  await bench.${database}.write(${quote}${sql}${quote});`;
  return line.length <= 120 ? line : `  await bench.${database}.write(\n    ${quote}${sql}${quote},\n  );`;
}
