/** `tidemark dead-letters discard`: a person gives rows up. Who it was, and why, stays with the letters for ever. */
import { readCheckpoint, type ShardName, titleOf } from '../engine/checkpoint.ts';
import { systemClock } from '../engine/clock.ts';
import { discardLetters } from '../engine/dead-letters.ts';
import type { Zone } from '../engine/zone.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { type App, openSurroundings, withSession } from './app.ts';
import { type ChoiceOptions, choiceOf, openPlaces, type Place } from './letter-choice.ts';
import { askAbout } from './letter-question.ts';
import { counted, print, printJson } from './output.ts';
import { operator, reasonOf } from './person.ts';

interface Options extends ChoiceOptions {
  readonly matching?: string;
  readonly reason?: string;
  readonly all?: true;
  readonly yes?: true;
  readonly json?: true;
}

const command = 'tidemark dead-letters discard';
const lettersPerStatement = 500;

export async function discard(app: App, words: readonly string[], options: Options): Promise<number> {
  const choice = choiceOf(app, words, options, options.matching);
  if (choice.isEverything && options.all !== true)
    throw new UsageError(
      'say which letters: ids, a job, --shard, --matching, --older-than, --repairs, or --all for every open one',
      'tidemark dead-letters list',
    );
  const why = reasonOf(options, [command, ...words].join(' '));
  const surroundings = openSurroundings();
  const places = await openPlaces(surroundings, choice, command);
  const what = counted(places.length, 'dead letter', 'dead letters');
  const question = `discard ${what}: the rows stay out, until they change again in the source (${why})`;
  if (places.length > 0 && options.yes !== true && !(await askAbout(surroundings, places, question)))
    return exitCodes.done;
  const resolution = `by ${operator(command)}: ${why}`;
  let discarded = 0;
  for (const own of byShard(places))
    discarded += await withSession(surroundings, (own[0] as Place).target, (session) =>
      discardOf(session, own, resolution, surroundings.zone),
    );
  if (options.json) printJson({ discarded, ids: places.map(({ id }) => id), resolution });
  else if (places.length === 0)
    print('none of these is open: nothing to discard. Next: tidemark dead-letters list --all');
  else print(`${counted(discarded, 'dead letter', 'dead letters')} discarded ${resolution}`);
  if (discarded < places.length && !options.json)
    print(`${places.length - discarded} had been settled by a run meanwhile, and stay so`);
  return exitCodes.done;
}

function byShard(places: readonly Place[]): Place[][] {
  const groups = new Map<string, Place[]>();
  for (const place of places) groups.set(titleOf(place), [...(groups.get(titleOf(place)) ?? []), place]);
  return [...groups.values()];
}

/** Under the checkpoint row, so that no run that has read a letter as open settles it, or keeps it anew, after that. */
async function discardOf(session: Session, places: readonly Place[], resolution: string, zone: Zone): Promise<number> {
  const name = places[0] as ShardName;
  let discarded = 0;
  await session.write('START TRANSACTION');
  await readCheckpoint(session, name, zone, true);
  for (let from = 0; from < places.length; from += lettersPerStatement) {
    const ids = places.slice(from, from + lettersPerStatement).map(({ id }) => id);
    discarded += await discardLetters(session, name, ids, resolution, systemClock.now(), zone);
  }
  await session.write('COMMIT');
  return discarded;
}
