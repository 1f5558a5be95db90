/** Makes a fresh clone ready, with nothing but Node: installs the packages when they are missing or old, and builds. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`tidemark: Node ${process.versions.node} is too old. Next: install Node 20.19 or later`);
  process.exit(78);
}

const stamp = 'node_modules/.tidemark-lock';
const lock = readFileSync('package-lock.json', 'utf8');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.error('tidemark: installing node packages (npm ci)');
  run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error']);
  writeFileSync(stamp, lock);
}
run(process.execPath, ['tools/build.mjs']);

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2] });
  if (error !== undefined) console.error(`tidemark: ${command} cannot be started: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}
