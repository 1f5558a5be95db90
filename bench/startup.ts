/**
 * What cron pays every minute: the time of a whole process, beside the least that any program of this kind could take.
 *
 * The run finds no changed rows, and moves the checkpoint over an empty window, as most runs do. Its peer is a bare
 * script that loads the driver, connects to both databases and asks each for the time. Taken in pairs, one after the
 * other, and compared within the pair.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Benchmark, Options, Report } from './benchmark.ts';
import { fill, type Site, tidemark, withSite } from './site.ts';
import { ratioOf, short, shortSpread, spreadOf } from './statistics.ts';

const rows = 2000;
const goal = 2;
const run = ['run', 'sync-commission-log', '3'];

const bareScript = `
const { createConnection } = require('mysql2/promise');
(async () => {
  const urls = [process.env.SOURCE_DATABASE_URL, process.env.MAIN_DATABASE_URL];
  for (const url of urls) {
    const connection = await createConnection(url);
    await connection.query('SELECT NOW(6)');
    await connection.end();
  }
})();`;

interface Pairs {
  readonly ours: number[];
  readonly peer: number[];
}

export const startup: Benchmark = {
  summary: 'time of a run without changed rows, beside a bare script that asks both databases for the time',
  run: (options) =>
    withSite(async (site) => {
      options.note('filling the source');
      await fill(site, rows);
      await site.time(tidemark, run);
      const emptyRun = await measurePairs(options, 'a run without changed rows', () => emptyRunPair(site));
      const help = await measurePairs(options, 'help', async () => ({
        ours: (await site.time(tidemark, ['--help'])).ms,
        peer: (await site.time(process.execPath, ['-e', '0'])).ms,
      }));
      return report(site, options, emptyRun, help);
    }),
};

async function measurePairs(
  { pairs, note }: Options,
  what: string,
  measure: () => Promise<{ ours: number; peer: number }>,
): Promise<Pairs> {
  note(`${pairs} pairs: ${what}`);
  const measured: Pairs = { ours: [], peer: [] };
  await measure(); // files are read from the disk once
  for (let pair = 0; pair < pairs; pair++) {
    const { ours, peer } = await measure();
    measured.ours.push(ours);
    measured.peer.push(peer);
  }
  return measured;
}

async function emptyRunPair(site: Site): Promise<{ ours: number; peer: number }> {
  await sleep(1100); // windows are whole seconds: the next run has one to close
  const before = await checkpoint(site);
  const { ms: ours, stdout, stderr } = await site.time(tidemark, run);
  if (stdout !== '' || stderr !== '') throw new Error(`a run with nothing to say said: ${stdout}${stderr}`);
  if ((await checkpoint(site)) === before) throw new Error('the run did not move its checkpoint');
  const { ms: peer } = await site.time(process.execPath, ['-e', bareScript]);
  return { ours, peer };
}

async function checkpoint({ world }: Site): Promise<string> {
  const [row] = await world.main.tuples(
    "SELECT checkpoint FROM tidemark_checkpoint WHERE job = 'sync-commission-log' AND shard = '3'",
  );
  return String(row?.[0]);
}

function report(site: Site, { pairs }: Options, emptyRun: Pairs, help: Pairs): Report {
  const ratio = ratioOf(emptyRun.ours, emptyRun.peer);
  const helpRatio = ratioOf(help.ours, help.peer);
  const ms = (values: readonly number[]) => spreadOf(values).median.toFixed(0);
  return {
    figures: {
      pairs,
      about: site.about,
      'empty run': { ms: emptyRun, ratio, goal },
      help: { ms: help, ratio: helpRatio },
    },
    method: [site.about, `${pairs} pairs, one process after the other; medians, and the ratio within each pair`],
    head: ['PROCESS', 'MS', 'PEER', 'MS', 'RATIO'],
    table: [
      [
        `tidemark ${run.join(' ')}`,
        ms(emptyRun.ours),
        'node: mysql2, two connections, NOW(6)',
        ms(emptyRun.peer),
        shortSpread(ratio),
      ],
      ['tidemark --help', ms(help.ours), 'node -e 0', ms(help.peer), shortSpread(helpRatio)],
    ],
    closing: [
      `startup, no changed rows: ${short(ratio.median)} x a bare script (${short(ratio.min)}-${short(ratio.max)} over ${pairs} pairs); the goal of less than ${goal} is ${ratio.median < goal ? 'met' : 'missed'}`,
      `startup, help: ${short(helpRatio.median)} x node alone (${short(helpRatio.min)}-${short(helpRatio.max)} over ${pairs} pairs)`,
    ],
  };
}
