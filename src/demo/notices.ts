/** The receiver of a sandbox's notices, as an application has one; down until it is given its payments. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Payments } from '../payments/payments.ts';

export class NoticeReceiver {
  /** Null: down. */
  payments: Payments | null = null;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => {
      this.#take(request, response).catch(() => response.writeHead(500).end());
    });
  }

  static async open(): Promise<NoticeReceiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new NoticeReceiver(server);
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    if (this.payments === null) {
      response.writeHead(503).end();
      return;
    }
    const provider = request.url === '/alipay' ? 'alipay' : 'wechat';
    const reply = await this.payments.notice(provider, { headers: request.headers, body: Buffer.concat(pieces) });
    response.writeHead(reply.status, { ...reply.headers }).end(reply.body);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
