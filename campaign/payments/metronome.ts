/**
 * When the machine let its processes wait. A provider sees requests of two moments in one when whoever sends them stands
 * still between the leave and the sending; so do tidemark's limits say. What it saw then is told, and is no flaw.
 */

const beatMs = 10;
/** The limiter allows for a little more than this between one request and another. */
const lateMs = 40;

/** From the last beat that was in time to the one that was late; milliseconds since 1970. */
export interface Stall {
  readonly from: number;
  readonly to: number;
}

export class Metronome {
  readonly stalls: Stall[] = [];
  readonly #timer: NodeJS.Timeout;
  #last = Date.now();

  constructor() {
    this.#timer = setInterval(() => this.#beat(), beatMs);
  }

  stop(): void {
    this.#beat();
    clearInterval(this.#timer);
  }

  #beat(): void {
    const now = Date.now();
    if (now - this.#last > beatMs + lateMs) this.stalls.push({ from: this.#last, to: now });
    this.#last = now;
  }
}
