/**
 * Sockets and time limits go to the run whose code makes them, and are the plain ones for everybody else.
 *
 * Which run that is, is told by the asynchronous context: several may be half alive at a time, and none takes another's.
 * Importing this file replaces `net.connect`, `setTimeout` and `clearTimeout` for the whole process.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import net from 'node:net';
import timers from 'node:timers';

/** What a connection of a run is for; source and target have two at times, told apart by their number. */
export type End = 'target' | 'source' | 'upstream' | 'redis';

/** A time limit that a run has set: it strikes when its owner says that so much time has passed. */
export class Limit {
  readonly strike: () => void;
  readonly lift: () => void;

  constructor(strike: () => void, lift: (limit: Limit) => void) {
    this.strike = strike;
    this.lift = () => lift(this);
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/** Who gets the sockets and the time limits of a run. */
export interface Owner {
  connect(end: End, plainly: () => net.Socket): net.Socket;
  limit(strike: () => void, ms: number): Limit;
}

interface Place {
  readonly owner: Owner;
  /** Null outside of the opening of a connection. */
  readonly end: End | null;
}

const place = new AsyncLocalStorage<Place>();
const plain = { connect: net.createConnection, set: timers.setTimeout, clear: timers.clearTimeout };

type Callback = (...parameters: unknown[]) => void;

net.createConnection = net.connect = ((...parameters: unknown[]) => {
  const here = place.getStore();
  const connect = () => (plain.connect as (...parameters: unknown[]) => net.Socket)(...parameters);
  return here === undefined || here.end === null ? connect() : here.owner.connect(here.end, connect);
}) as typeof net.connect;
globalThis.setTimeout = timers.setTimeout = ((callback: Callback, ms?: number, ...parameters: unknown[]) => {
  const owner = place.getStore()?.owner;
  return owner === undefined
    ? plain.set(callback, ms, ...parameters)
    : owner.limit(() => callback(...parameters), ms ?? 0);
}) as typeof setTimeout;
globalThis.clearTimeout = timers.clearTimeout = ((timer: Limit | NodeJS.Timeout | undefined) => {
  if (timer instanceof Limit) timer.lift();
  else plain.clear(timer);
}) as typeof clearTimeout;

/** Calls `work` in the name of a run. */
export function within<Result>(where: Place, work: () => Promise<Result>): Promise<Result> {
  return place.run(where, work);
}
