/**
 * The program that the providers send their notices to: hands each to the payments, and answers what these say. What
 * they cannot take now, because the database is away, it answers with 500, and the provider sends it again.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProviderName } from '../../src/payments/provider.ts';
import { openCounter } from './counter.ts';

const endAt = Date.now() + Number(process.env.RECEIVER_MS);

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function main(): Promise<void> {
  let isTold = false;
  process.once('SIGTERM', () => {
    isTold = true;
  });
  const { payments, close } = await openCounter();
  const server = createServer(async (request, response) => {
    try {
      const provider = request.url?.slice(1) as ProviderName;
      const reply = await payments.notice(provider, { headers: request.headers, body: await bodyOf(request) });
      response.writeHead(reply.status, reply.headers).end(reply.body);
    } catch {
      response.writeHead(500).end();
    }
  });
  server.listen(Number(process.env.RECEIVER_PORT), '127.0.0.1');
  while (!isTold && Date.now() < endAt) await sleep(50);
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections(); // what was not answered is sent again
  });
  await close();
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
