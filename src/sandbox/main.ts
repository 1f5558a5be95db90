/**
 * The gateway as a process of its own. It prints one line of JSON, `{"address":…,"settings":{…}}`, when it is ready, and
 * ends with its standard input, so that it never outlives who started it.
 *
 *   node --import tsx src/sandbox/main.ts --folder F [--port N] [--seed N] [--faulty 0.3] [--rate N] [--notices URL]
 *        [--fails 0.1] [--returns 0.05] [--settle-ms N] [--return-ms N]
 *
 * Started again with the same folder and port it is the same gateway: its keys and its book are in the folder.
 */
import { parseArgs } from 'node:util';
import { Gateway } from './gateway.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    folder: text,
    port: { ...text, default: '0' },
    seed: { ...text, default: '1' },
    faulty: { ...text, default: '0' },
    rate: { ...text, default: '100' },
    notices: { ...text, default: 'http://127.0.0.1:9/none' },
    fails: { ...text, default: '0' },
    returns: { ...text, default: '0' },
    'settle-ms': { ...text, default: '0' },
    'return-ms': { ...text, default: '0' },
  },
});
if (values.folder === undefined) throw new Error('--folder is missing');

const gateway = await Gateway.start({
  folder: values.folder,
  keepsBook: true,
  port: Number(values.port),
  seed: Number(values.seed),
  faulty: Number(values.faulty),
  ratePerSecond: Number(values.rate),
  payouts: {
    fails: Number(values.fails),
    returns: Number(values.returns),
    settleMs: Number(values['settle-ms']),
    returnMs: Number(values['return-ms']),
  },
});
process.stdout.write(`${JSON.stringify({ address: gateway.address, settings: gateway.settings(values.notices) })}\n`);
process.stdin.resume().on('end', () => process.exit(0));
