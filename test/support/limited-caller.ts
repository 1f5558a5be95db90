/**
 * A process that asks as often as the limiter lets it: `limited-caller.ts <address> <Redis> <prefix> <rate>`, with 80
 * requests under way at most, until its standard input ends.
 */
import { Agent, request } from 'node:http';
import { Limiter } from '../../src/payments/limiter.ts';
import { RedisLink } from '../../src/platform/redis.ts';

const [address, redisUrl, prefix, rate] = process.argv.slice(2) as [string, string, string, string];
const limiter = new Limiter({ link: new RedisLink(redisUrl), prefix, perSecond: Number(rate) });
const agent = new Agent({ keepAlive: true });
const ask = () =>
  new Promise<void>((resolve) => {
    const sent = request(address, { agent }, (response) => response.resume().once('end', resolve));
    sent.once('error', () => resolve()).end();
  });

process.stdin.once('end', () => process.exit(0)).resume();
await Promise.all(
  Array.from({ length: 80 }, async () => {
    for (;;) {
      await limiter.leave('alipay');
      await ask();
    }
  }),
);
