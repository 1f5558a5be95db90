/** Runs a command of a new dist/ without a server, and keeps what Node has compiled on the way. */
const { writeFileSync } = require('node:fs');
const { join, resolve } = require('node:path');

const dist = resolve(process.argv[2]);
process.argv = [process.argv[0], join(dist, 'start.cjs'), 'run', 'sync-user-extension'];
const script = require(join(dist, 'start.cjs'));
process.once('exit', () => {
  writeFileSync(join(dist, 'main.cache'), script.createCachedData());
  process.exitCode = 0;
});
