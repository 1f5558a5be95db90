/** The local port of a daemon: each path has an answer, and there are no others. */
import { createServer, type Server } from 'node:http';
import { SetupError } from '../platform/errors.ts';

interface PortAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export type Routes = Readonly<Record<string, () => Promise<PortAnswer>>>;

/** @throws SetupError when the port is taken, or no address of this host */
export async function openPort(address: string, port: number, routes: Routes): Promise<{ close(): Promise<void> }> {
  const server = createServer(async ({ url = '/' }, response) => {
    const answer = routes[url.split('?')[0] as string];
    try {
      const { status, type, body } = answer === undefined ? notFound(routes) : await answer();
      response.writeHead(status, { 'content-type': type }).end(body);
    } catch (error) {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(`${(error as Error).message}\n`);
    }
  });
  await listen(server, address, port);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const notFound = (routes: Routes): PortAnswer => ({
  status: 404,
  type: 'text/plain',
  body: `there are ${Object.keys(routes).join(', ')}\n`,
});

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'it is taken, by another daemon of this host perhaps' : error.message;
      reject(
        new SetupError(
          `the daemon cannot listen on ${address}:${port}: ${why}`,
          'another TIDEMARK_DAEMON_PORT, or 0 for none',
          error,
        ),
      );
    });
    server.listen(port, address, resolve);
  });
}
