/**
 * Chance from a seed. Each actor forks a stream of its own by name, so that what one draws does not depend on how often
 * another was asked: the same seed gives each the same decisions, as far as they get in the time.
 */
export class Random {
  readonly #seed: number;
  #state: number;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#state = this.#seed;
  }

  /** A stream of its own. */
  fork(name: string): Random {
    let hash = this.#seed ^ 0x9e3779b9;
    for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) as number), 0x01000193);
    return new Random(hash ^ (hash >>> 15));
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** A whole number at least 0, less than `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  /** Some of the items, at least one, in any order. */
  some<Item>(items: readonly Item[]): Item[] {
    const mixed = items.map((item) => ({ item, at: this.next() })).sort((a, b) => a.at - b.at);
    return mixed.slice(0, 1 + this.below(items.length)).map(({ item }) => item);
  }
}
