/** Runs main.cjs from its compiled form; where that was made by another Node, Node compiles it as usual. */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { Script } = require('node:vm');

const filename = join(__dirname, 'main.cjs');
const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(filename, 'utf8')}\n})`;
let cachedData;
try {
  cachedData = readFileSync(join(__dirname, 'main.cache'));
} catch {
  // built without one
}
const script = new Script(source, { filename, cachedData });
module.exports = script;
script.runInThisContext()(exports, require, module, filename, __dirname);
