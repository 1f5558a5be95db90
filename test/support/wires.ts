/**
 * The wires of one run: every socket that its drivers open, so that a test can see each statement and each Redis
 * command, and break one of them where it passes, below the driver.
 *
 * A point is a statement by its connection and its place there ("target 1, statement 5"): each connection has one
 * statement under way at a time, so the points are the same in every run until one is struck, however the connections
 * take turns. To connect is the point 0 of a connection.
 *
 * A run that was killed stays dead, even if some of its code should come to life while the next one works.
 */
import net from 'node:net';
import { commandOf, isFarewell, type Protocol, refusalPacket, statementPacket } from './protocols.ts';
import { type End, Limit, type Owner, within } from './run-context.ts';

export interface Point {
  readonly connection: string;
  readonly place: number;
  readonly protocol: Protocol;
  readonly text: string;
}

/** Where the fault strikes: ahead of what is sent, in place of the answer, or behind the answer. */
export type Way = 'before it is sent' | 'the answer lost' | 'after the answer';

export type Fault = 'killed' | 'reset' | 'hang' | 'lock wait timeout' | 'deadlock' | 'server gone';

export interface Strike {
  readonly point: Pick<Point, 'connection' | 'place'>;
  readonly way: Way;
  readonly fault: Fault;
}

interface Line {
  readonly name: string;
  readonly protocol: Protocol;
  readonly socket: net.Socket;
  places: number;
  /** Gets the next answer in place of the driver. */
  awaited: ((answer: Buffer) => void) | null;
  /** Nothing passes any more, in either direction. */
  silent: boolean;
  busy: boolean;
  /** The driver has said that it will not use the connection any more. */
  farewell: boolean;
}

/** So many new connections are refused by a server that is gone, until it is back. */
const refusalsWhileGone = 2;

export class Wires implements Owner {
  /** Everything that was sent, in order, up to the strike and beyond. */
  readonly points: Point[] = [];
  /** Whether the fault has come about. */
  struck = false;
  #reached = false;
  /** Comes when the process of this run is dead: what it does from then on reaches nobody. */
  readonly killed: Promise<void>;
  readonly #strike: Strike | null;
  readonly #clock: string;
  /** With the milliseconds after which each strikes. */
  readonly #limits = new Map<Limit, number>();
  readonly #lines: Line[] = [];
  readonly #opened = new Map<End, number>();
  readonly #refused: Record<Protocol, number> = { sql: 0, redis: 0 };
  #die: () => void = () => undefined;
  #dead = false;
  /** Strikes as soon as the run does something else, or waits. */
  #due: (() => void) | null = null;

  /** @param clockSeconds where the servers' clocks stand for every session of the run, in seconds since 1970 */
  constructor(clockSeconds: number, strike: Strike | null) {
    this.#strike = strike;
    this.#clock = `SET SESSION timestamp=${clockSeconds}, `;
    this.killed = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  /** Calls `work`; the time limits that it sets are this run's. */
  around<Result>(work: () => Promise<Result>): Promise<Result> {
    return within({ owner: this, end: null }, work);
  }

  /** Calls `open`; the sockets that it makes, now or later, are this run's. */
  opening<Result>(end: End, open: () => Promise<Result>): Promise<Result> {
    return within({ owner: this, end }, open);
  }

  limit(strike: () => void, ms: number): Limit {
    const limit = new Limit(strike, (lifted) => this.#limits.delete(lifted));
    this.#limits.set(limit, ms);
    return limit;
  }

  #letTimePass(): void {
    const inOrder = [...this.#limits].sort(([, a], [, b]) => a - b);
    for (const [limit] of inOrder) if (this.#limits.delete(limit)) limit.strike();
  }

  /** A socket for a driver, tapped. */
  connect(end: End, plainly: () => net.Socket): net.Socket {
    const number = (this.#opened.get(end) ?? 0) + 1;
    this.#opened.set(end, number);
    const protocol: Protocol = end === 'redis' ? 'redis' : 'sql';
    const point: Point = { connection: `${end} ${number}`, place: 0, protocol, text: 'connect' };
    this.#strikeIfDue();
    if (this.#dead) return new net.Socket(); // never connected
    this.points.push(point);
    if (this.#refused[protocol] > 0) {
      this.#refused[protocol] -= 1;
      return refusedSocket();
    }
    if (this.#isMeant(point)) return this.#strikeConnect(protocol);
    return this.#tap(plainly(), point.connection, protocol);
  }

  /** Connections that the run has neither closed nor lost. */
  get leftOpen(): string[] {
    return this.#lines
      .filter(({ socket, farewell }) => !socket.destroyed && !socket.writableEnded && !farewell)
      .map(({ name }) => name);
  }

  /** Drops what is left of the run: nothing of it may go on behind the test's back. */
  close(): void {
    this.#dead = true;
    for (const { socket } of this.#lines) socket.destroy();
  }

  #isMeant(point: Point): boolean {
    const wanted = this.#strike?.point;
    return !this.#reached && wanted?.connection === point.connection && wanted.place === point.place;
  }

  #tap(socket: net.Socket, name: string, protocol: Protocol): net.Socket {
    const line: Line = { name, protocol, socket, places: 0, awaited: null, silent: false, busy: true, farewell: false };
    this.#lines.push(line);
    const write = socket.write.bind(socket) as (chunk: Buffer | string, ...rest: unknown[]) => boolean;
    const emit = socket.emit.bind(socket) as (event: string, ...rest: unknown[]) => boolean;
    socket.write = ((chunk: Buffer | string, ...rest: unknown[]) => {
      this.#strikeIfDue();
      if (this.#dead || line.silent) return true;
      const command = commandOf(protocol, chunk);
      if (command === null) {
        line.farewell ||= isFarewell(protocol, chunk);
        return write(chunk, ...rest);
      }
      line.busy = true;
      line.places += 1;
      const point = { connection: name, place: line.places, protocol, text: command };
      this.points.push(point);
      const sent = this.#withClock(protocol, command, chunk);
      if (!this.#isMeant(point)) return write(sent, ...rest);
      this.#strikeStatement(line, () => write(sent), write, emit);
      return true;
    }) as typeof socket.write;
    socket.emit = ((event: string, ...rest: unknown[]) => {
      if (this.#dead) return true;
      if (event !== 'data') return emit(event, ...rest);
      line.busy = false;
      if (line.silent) return true;
      const awaited = line.awaited;
      if (awaited === null) return emit(event, ...rest);
      line.awaited = null;
      awaited(rest[0] as Buffer);
      return true;
    }) as typeof socket.emit;
    return socket;
  }

  /** Every session of the run sees the servers' clock stand at the same second. */
  #withClock(protocol: Protocol, command: string, chunk: Buffer | string): Buffer | string {
    const start = 'SET SESSION time_zone';
    return protocol === 'sql' && command.startsWith(start)
      ? statementPacket(this.#clock + command.slice('SET SESSION '.length))
      : chunk;
  }

  #strikeIfDue(): void {
    const strike = this.#due;
    this.#due = null;
    strike?.();
  }

  #strikeStatement(
    line: Line,
    send: () => boolean,
    write: (chunk: Buffer) => boolean,
    emit: (event: string, chunk: Buffer) => boolean,
  ): void {
    const { way, fault } = this.#strike as Strike;
    this.#reached = true;
    const answer = (packet: Buffer) => emit('data', packet);
    const refuse = (number: number, state: string, message: string) => {
      this.struck = true;
      answer(refusalPacket(number, state, message));
    };
    if (fault === 'lock wait timeout') {
      setImmediate(() => refuse(1205, 'HY000', 'Lock wait timeout exceeded; try restarting transaction'));
    } else if (fault === 'deadlock') {
      // The server has rolled back the whole transaction before it says so.
      line.awaited = () => refuse(1213, '40001', 'Deadlock found when trying to get lock');
      write(statementPacket('ROLLBACK'));
    } else if (way === 'before it is sent') {
      this.#break(line, fault);
    } else if (way === 'the answer lost') {
      line.awaited = () => this.#break(line, fault);
      send();
    } else {
      line.awaited = (chunk) => {
        this.#due = () => this.#break(line, fault);
        answer(chunk);
        setImmediate(() => this.#strikeIfDue());
      };
      send();
    }
  }

  #strikeConnect(protocol: Protocol): net.Socket {
    const { fault } = this.#strike as Strike;
    this.#reached = true;
    this.struck = true;
    if (fault === 'killed') this.#kill();
    else if (fault === 'hang') {
      const socket = new net.Socket();
      this.#hang(socket);
      return socket;
    } else if (fault === 'server gone') this.#lose(protocol);
    return fault === 'killed' ? new net.Socket() : refusedSocket();
  }

  #break(line: Line, fault: Fault): void {
    this.struck = true;
    if (fault === 'killed') this.#kill();
    else if (fault === 'reset') line.socket.destroy(networkError('read', 'ECONNRESET'));
    else if (fault === 'server gone') this.#lose(line.protocol);
    else {
      line.silent = true;
      this.#hang(line.socket, line);
    }
  }

  #kill(): void {
    this.#dead = true;
    for (const { socket } of this.#lines) socket.resetAndDestroy();
    this.#die();
  }

  /** All connections to the server end, and new ones are refused for a while; Redis stays away. */
  #lose(protocol: Protocol): void {
    this.#refused[protocol] = protocol === 'sql' ? refusalsWhileGone : Number.POSITIVE_INFINITY;
    for (const line of this.#lines) if (line.protocol === protocol) line.socket.destroy();
  }

  /** Nothing comes any more, until the run's own limits strike; they strike when nobody else is about to answer. */
  #hang(socket: net.Socket, line: Line | null = null): void {
    const wait = () => {
      if (this.#dead) return;
      if (this.#lines.some((other) => other !== line && other.busy && !other.socket.destroyed)) setImmediate(wait);
      else {
        this.#letTimePass();
        socket.emit('timeout');
      }
    };
    setImmediate(wait);
  }
}

function networkError(call: string, code: string): Error {
  return Object.assign(new Error(`${call} ${code}`), { code, syscall: call });
}

function refusedSocket(): net.Socket {
  const socket = new net.Socket();
  process.nextTick(() => socket.destroy(networkError('connect', 'ECONNREFUSED')));
  return socket;
}
