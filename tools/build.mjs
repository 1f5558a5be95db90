/** Bundles src/ and jobs/ into dist/: one entry, and chunks that load when a command needs them. */
import { rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: { main: 'src/main.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  chunkNames: 'chunks/[name]-[hash]',
  // CommonJS packages in an ES module still call require for what Node brings along.
  banner: {
    js: "import { createRequire as tidemarkRequire } from 'node:module'; const require = tidemarkRequire(import.meta.url);",
  },
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
  ],
  logLevel: 'warning',
});
writeFileSync('dist/node-path', process.execPath);
