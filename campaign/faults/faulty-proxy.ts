/**
 * A TCP proxy that does to connections what networks do: it delays, cuts in the middle of a packet, goes half open
 * (swallows one direction without closing anything), refuses.
 *
 * What happens to a connection is drawn when it is accepted. One that went half open is reset after some seconds, as by
 * a network that is back and knows nothing of it.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { localHost } from '../../src/platform/local/processes.ts';
import type { Random } from '../random.ts';

export type Harm = 'none' | 'delays' | 'cut' | 'half open' | 'refused';

interface Plan {
  readonly harm: Harm;
  /** From the client to the server, or back. */
  readonly direction: 'there' | 'back';
  /** The harm begins when so many bytes have gone that way. */
  readonly afterBytes: number;
  readonly resetAfterMs: number;
}

export class FaultyProxy {
  readonly figures: Record<Exclude<Harm, 'none'>, number> = { delays: 0, cut: 0, 'half open': 0, refused: 0 };
  port = 0;
  readonly #targetPort: () => number;
  readonly #random: Random;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  private constructor(targetPort: () => number, random: Random) {
    this.#targetPort = targetPort;
    this.#random = random;
  }

  static async open(targetPort: () => number, random: Random): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(targetPort, random);
    await proxy.#listen();
    return proxy;
  }

  #listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: this.port, host: localHost }, () => {
        const address = server.address();
        if (typeof address === 'object' && address !== null) this.port = address.port;
        resolve();
      });
    });
  }

  /** For a while nobody listens; what is connected stays. */
  async refuseFor(ms: number): Promise<void> {
    this.#server?.close();
    await sleep(ms);
    await this.#listen();
  }

  /** Resets every connection, and accepts no more. */
  close(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #draw(): Plan {
    const random = this.#random;
    const drawn = random.next();
    const harm =
      drawn < 0.8 ? 'none' : drawn < 0.85 ? 'delays' : drawn < 0.91 ? 'cut' : drawn < 0.96 ? 'half open' : 'refused';
    if (harm !== 'none') this.figures[harm] += 1;
    return {
      harm,
      direction: random.chance(0.5) ? 'there' : 'back',
      afterBytes: Math.floor(10 ** random.between(0, 4.3)),
      resetAfterMs: random.between(300, 4000),
    };
  }

  #accept(client: Socket): void {
    const plan = this.#draw();
    client.on('error', () => undefined);
    if (plan.harm === 'refused') {
      client.resetAndDestroy();
      return;
    }
    const server = createConnection({ port: this.#targetPort(), host: localHost, allowHalfOpen: true });
    server.on('error', () => undefined);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    this.#carry(client, server, plan, 'there');
    this.#carry(server, client, plan, 'back');
  }

  /** Carries one direction, chunk after chunk. */
  #carry(from: Socket, to: Socket, plan: Plan, direction: Plan['direction']): void {
    const harm = plan.direction === direction ? plan.harm : 'none';
    let carried = 0;
    let swallowing = false;
    let queue = Promise.resolve();
    const inTurn = (step: () => Promise<void> | void) => {
      queue = queue.then(step);
    };
    from.on('data', (chunk) => {
      inTurn(async () => {
        if (swallowing) return;
        if (harm === 'delays') await sleep(this.#random.between(5, 250));
        const left = plan.afterBytes - carried;
        carried += chunk.length;
        if ((harm !== 'cut' && harm !== 'half open') || carried <= plan.afterBytes) {
          to.write(chunk);
          return;
        }
        to.write(chunk.subarray(0, left));
        if (harm === 'cut') this.#cut(from, to);
        swallowing = true;
        setTimeout(() => this.#cut(from, to), plan.resetAfterMs).unref();
      });
    });
    from.once('end', () => inTurn(() => void (swallowing || to.end())));
    from.once('close', (failed) => inTurn(() => void (swallowing || (failed ? to.resetAndDestroy() : to.end()))));
  }

  #cut(...sockets: readonly Socket[]): void {
    for (const socket of sockets) {
      if (this.#random.chance(0.5)) socket.resetAndDestroy();
      else socket.destroy();
    }
  }
}
