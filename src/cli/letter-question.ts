/** Shows a person which dead letters something is about to happen to, and asks. */
import { titleOf } from '../engine/checkpoint.ts';
import { type DeadLetter, findLetters } from '../engine/dead-letters.ts';
import { type Surroundings, withSession } from './app.ts';
import { assertCanAsk, confirm } from './confirm.ts';
import { shortened } from './dead-letters.ts';
import type { Place } from './letter-choice.ts';

const shownMax = 10;
const lineWidth = 77;

/** @throws UsageError where nobody can answer */
export async function askAbout(
  surroundings: Surroundings,
  places: readonly Place[],
  question: string,
): Promise<boolean> {
  assertCanAsk();
  const letters = await firstOf(surroundings, places);
  const lines = letters.map(
    (one) => `  ${shortened(`${one.id} ${titleOf(one)} ${one.key}: ${one.reason}`, lineWidth)}`,
  );
  const more = places.length - letters.length;
  return confirm(
    [...lines, ...(more > 0 ? [`  … and ${more.toLocaleString('en-US')} more`] : []), question].join('\n'),
  );
}

async function firstOf(surroundings: Surroundings, places: readonly Place[]): Promise<DeadLetter[]> {
  const found: DeadLetter[] = [];
  const first = places.slice(0, shownMax);
  for (const target of new Set(first.map((place) => place.target))) {
    const ids = first.filter((place) => place.target === target).map(({ id }) => id);
    const letters = await withSession(surroundings, target, (session) =>
      findLetters(session, { ids }, ids.length, surroundings.zone),
    );
    found.push(...letters);
  }
  return found;
}
