/** Where alarms go in tests: a real server for HTTP, and a real one for mail. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export interface Received {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What a request is answered with; null: nothing, ever. */
export type Answer = {
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Record<string, string>;
} | null;

export class HttpReceiver {
  readonly requests: Received[] = [];
  /** By path without query, in turn; the last one stays. */
  readonly answers = new Map<string, Answer[]>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<HttpReceiver> {
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        receiver.requests.push({ method, path: url, headers, body });
        const answer = receiver.#answerTo(url.replace(/\?.*/, ''));
        if (answer !== null) response.writeHead(answer.status ?? 200, answer.headers ?? {}).end(answer.body ?? 'ok');
      });
    });
    const receiver = new HttpReceiver(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  #answerTo(path: string): Answer {
    const answers = this.answers.get(path) ?? [];
    return (answers.length > 1 ? answers.shift() : answers[0]) ?? (answers.length === 0 ? {} : null);
  }

  /** All requests since the last call. */
  take(): Received[] {
    return this.requests.splice(0);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface Letter {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: string;
}

export class MailReceiver {
  readonly letters: Letter[] = [];
  readonly refused = new Set<string>();
  readonly #server: SMTPServer;

  private constructor(server: SMTPServer) {
    this.#server = server;
  }

  /** Takes mail from one account. */
  static async start(user: string, password: string): Promise<MailReceiver> {
    const server = new SMTPServer({
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      onAuth(auth, _session, done) {
        const isKnown = auth.username === user && auth.password === password;
        if (isKnown) done(null, { user });
        else done(new Error('who are you?'));
      },
      onRcptTo({ address }, _session, done) {
        done(receiver.refused.has(address) ? new Error(`nobody here: ${address}`) : null);
      },
      onData(stream, session, done) {
        let raw = '';
        stream.setEncoding('utf8').on('data', (text: string) => {
          raw += text;
        });
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          const from = mailFrom === false || mailFrom === null ? '' : mailFrom.address;
          receiver.letters.push({ from, to: rcptTo.map(({ address }) => address), raw });
          done();
        });
      },
    });
    server.on('error', () => undefined);
    const receiver = new MailReceiver(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    return receiver;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
