/**
 * Bundles src/ and jobs/ into dist/: main.cjs, in which a module runs only when a command asks for it, and main.cache,
 * the compiled form of what most runs need. Cron pays for the start-up every minute, and compiling is most of it. Beside
 * them what other programs import, with its types: tidemark.js, jobs.js and testing.js for a team's own jobs,
 * ledger.js and payments.js. They share those programs' packages.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** A rehearsal of a run that finds no server, so that the cache holds what a run compiles. */
const rehearsal = {
  SOURCE_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/none',
  MAIN_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/none',
  LEDGER_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/none',
  REDIS_URL: 'redis://127.0.0.1:1',
};

const made = mkdtempSync('dist-');
chmodSync(made, 0o755); // it is made for us alone, and cron may run as another user
process.on('exit', () => rmSync(made, { recursive: true, force: true })); // what has failed leaves nothing
await build({
  entryPoints: { main: 'src/main.ts' },
  outdir: made,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  banner: { js: "const tidemarkUrl = require('node:url').pathToFileURL(__filename).href;" },
  define: { 'import.meta.url': 'tidemarkUrl' },
  // A script from a cache has no import(); what is not bundled is required.
  supported: { 'dynamic-import': false },
  // Drivers that knex knows and tidemark does not use.
  external: [
    'better-sqlite3',
    'sqlite3',
    'mysql',
    'mariadb/callback',
    'oracledb',
    'pg',
    'pg-query-stream',
    'pg-native',
    'tedious',
    'mock-aws-s3',
    'aws-sdk',
    'nock',
    // Loaded from node_modules by whoever asks a provider: they would make every start slower, and the second one does
    // not bear the strict mode of a bundle.
    'alipay-sdk',
    'wechatpay-axios-plugin',
    // Large, and loaded only by a watch.
    'nodemailer',
    'cron-parser',
  ],
  logLevel: 'warning',
});
// A text of ASCII alone takes Node half the memory, and a tenth of the start-up less. esbuild leaves comments and patterns.
const escaped = (text) => text.replace(/./gs, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
const main = join(made, 'main.cjs');
writeFileSync(main, readFileSync(main, 'utf8').replace(/\P{ASCII}/gu, escaped));
await build({
  entryPoints: {
    tidemark: 'src/index.ts',
    jobs: 'src/jobs.ts',
    testing: 'src/testing/bench.ts',
    ledger: 'src/ledger/index.ts',
    payments: 'src/payments/index.ts',
  },
  splitting: true,
  chunkNames: 'parts/[name]-[hash]',
  outdir: made,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning',
});
execFileSync(
  process.execPath,
  ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.types.json', '--outDir', join(made, 'types')],
  {
    stdio: 'inherit',
  },
);
copyFileSync('tools/start.cjs', join(made, 'start.cjs'));
writeFileSync(join(made, 'node-path'), process.execPath);
// The compiled form is of use only to a Node that is started with the same flags: those of bin/tidemark.
const [, flags] = /exec "\$node" (.*) "\$dist/.exec(readFileSync('bin/tidemark', 'utf8'));
execFileSync(process.execPath, [...flags.split(' '), 'tools/rehearse.cjs', made], {
  env: { ...process.env, ...rehearsal },
  stdio: 'ignore',
});

// Renames, so that whoever starts tidemark meanwhile finds the old or, a moment later, the new one.
const old = `${made}-old`;
try {
  renameSync('dist', old);
} catch (error) {
  if (error.code !== 'ENOENT') throw error;
}
renameSync(made, 'dist');
rmSync(old, { recursive: true, force: true });
