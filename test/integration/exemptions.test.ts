import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectComplaint, json, openSession } from '../support/cli-tools.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';
import { World } from '../support/world.ts';

interface Line {
  watermark: string;
  heldBackBy: { statement: string | null; ageSeconds: number } | null;
  exempt: { thread: number; statement: string }[];
}

describe('statements that a person has vouched for', () => {
  let world: World;
  let servers: TestServers; // of its own: others would wait for the report
  const report = 'DO /* the nightly report */ SLEEP(90)';
  const status = async (settings: Record<string, string>) =>
    json<Line[]>(await world.cli(['status', 'sync-user-extension', '--json'], settings))[0] as Line;
  const secondsBehind = ({ watermark }: Line) => (Date.now() - Date.parse(watermark)) / 1000;

  beforeAll(async () => {
    servers = await startTestServers();
    world = await World.create(servers.addresses);
  });
  afterAll(async () => {
    await world.destroy();
    await servers.stop();
  });

  test('hold no watermark back, and status names each of them', async () => {
    const reporter = await openSession(world.settings.SOURCE_DATABASE_URL as string);
    const thread = reporter.facts.connectionId;
    const running = reporter.write(report).catch(() => undefined);
    await sleep(6500);
    const held = await status({});
    expect(held).toMatchObject({ heldBackBy: { statement: report }, exempt: [] });
    expect(secondsBehind(held)).toBeGreaterThan(6);
    for (const settings of [
      { TIDEMARK_EXEMPT_SCHEMAS: `another, ${reporter.database}` },
      { TIDEMARK_EXEMPT_STATEMENTS: 'NIGHTLY report' },
    ])
      expect((await status(settings)).exempt).toContainEqual(expect.objectContaining({ thread, statement: report }));
    const told = await world.cli(['status', 'sync-user-extension'], { TIDEMARK_EXEMPT_STATEMENTS: 'nightly' });
    expect(told.stdout).toMatch(
      /exempt from the watermark .*: thread \d+ of .* has been running a statement for \d+ s: DO/,
    );
    reporter.destroy();
    await running;
  });

  test.each([
    ['TIDEMARK_EXEMPT_STATEMENTS', '('],
    ['TIDEMARK_EXEMPT_USERS', 'report,,backup'],
  ])('are refused where %s is malformed: %j', async (setting, text) => {
    expectComplaint(await world.cli(['status'], { [setting]: text }), 78, setting, 'expected', 'such as');
  });
});
