/** `tidemark payments switch`: a person turns a business function off, in a moment, and on again. */
import { type Switch, Switches, type SwitchName, switchNames } from '../payments/switches.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import { openSurroundings, type Surroundings } from './app.ts';
import { confirm } from './confirm.ts';
import { printJson, printTable } from './output.ts';
import { operator, reasonOf } from './person.ts';

interface Options {
  readonly off?: true;
  readonly on?: true;
  readonly reason?: string;
  readonly yes?: true;
  readonly json?: true;
}

const command = 'tidemark payments switch';

export async function turn(name: string | undefined, options: Options): Promise<number> {
  const surroundings = openSurroundings();
  const wanted = name === undefined ? null : wantedBy(name, options);
  if (name === undefined && (options.off || options.on))
    throw new UsageError(`which one? There are ${switchNames.join(', ')}`, `${command} payouts --off --reason "…"`);
  const switches = await Switches.connect({ url: surroundings.config.need('LEDGER_DATABASE_URL') });
  try {
    if (wanted !== null) {
      const { name: which, off, reason } = wanted;
      const question = `turn ${which} ${off ? 'off: nothing new from now on' : 'on'} (${reason})`;
      if (options.yes !== true && !(await confirm(question))) return exitCodes.done;
      await switches.set(which, { off, reason, who: operator(command) });
    }
    const all = await switches.all();
    await tell(
      all.filter((one) => name === undefined || one.name === name),
      options,
      surroundings,
    );
    return exitCodes.done;
  } finally {
    await switches.close();
  }
}

/** @returns null where it is only to be shown */
function wantedBy(name: string, options: Options): { name: SwitchName; off: boolean; reason: string } | null {
  const known = switchNames.find((one) => one === name);
  if (known === undefined) throw new UsageError(`there is no switch "${name}": there are ${switchNames.join(', ')}`);
  if (options.off && options.on) throw new UsageError('--off and --on exclude each other', `${command} ${name}`);
  if (!options.off && !options.on) return null;
  const flag = options.off ? '--off' : '--on';
  return { name: known, off: options.off === true, reason: reasonOf(options, `${command} ${name} ${flag}`) };
}

async function tell(all: readonly Switch[], { json }: Options, { zone }: Surroundings): Promise<void> {
  const asJson = (one: Switch) => ({ ...one, since: zone.text(one.since) });
  if (json) printJson(all.map(asJson));
  else
    await printTable(
      ['SWITCH', 'NOW', 'SINCE', 'WHY', 'WHO'],
      all.map(({ name, isOff, since, reason, who }) => [
        name,
        isOff ? 'off' : 'on',
        zone.text(since),
        reason ?? '',
        who ?? '',
      ]),
    );
}
