/** `tidemark watch` and `tidemark alarm` as cron and people call them. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { HttpReceiver } from '../support/alarm-receivers.ts';
import { AlarmScene } from '../support/alarm-scene.ts';
import { expectComplaint, expectSilence, json } from '../support/cli-tools.ts';

let scene: AlarmScene;
let http: HttpReceiver;
beforeAll(async () => {
  http = await HttpReceiver.start();
  scene = await AlarmScene.create(inject('servers'));
});
afterAll(async () => {
  await http.stop();
  await scene.destroy();
});
beforeEach(async () => {
  http.answers.clear();
  http.take();
  await scene.allWell(Date.now());
});

const cli = (args: string[], settings: Record<string, string> = {}) => scene.world.cli(args, settings);
const hook = () => ({ TIDEMARK_ALARM_WEBHOOK: http.url('/hook'), TIDEMARK_ALARM_TIMEOUT: '1s' });
const fail = async (shard = '3') => {
  for (let count = 0; count < 3; count++)
    await scene.run({
      job: 'sync-commission-log',
      shard,
      at: Date.now() - 40_000,
      outcome: 'failed',
      error: 'no luck',
    });
};

describe('watch', () => {
  test('is silent under cron where all is well, and when it has told what is not', async () => {
    expectSilence(await cli(['watch'], hook()));
    await fail();
    expectSilence(await cli(['watch'], hook()));
    expectSilence(await cli(['watch'], hook()));
    expect(http.take()).toHaveLength(1);
  });

  test('without a channel prints what stands, and ends with 65', async () => {
    await fail();
    const { code, stdout, stderr } = await cli(['watch']);
    expect([code, stderr]).toEqual([65, '']);
    expect(stdout).toContain('CRITICAL sync-commission-log 3: the last 3 runs failed');
    expect(stdout).toContain('\nNext: tidemark run sync-commission-log 3\n');
    expect(stdout).toContain('no channel is set');
  });

  test('says on stderr which channel is broken, and ends with 1 only when all are', async () => {
    await fail();
    http.answers.set('/hook', [{ status: 400, body: 'no' }]);
    const good = { TIDEMARK_ALARM_SLACK: http.url('/slack') };
    expect(await cli(['watch'], { ...hook(), ...good })).toEqual({
      code: 0,
      stdout: '',
      stderr: 'tidemark: alarms by webhook: HTTP 400: no. Next: tidemark alarm test\n',
    });
    await fail('4');
    expectComplaint(await cli(['watch'], hook()), 1, /alarms by webhook: HTTP 400: no/);
  });

  test('--dry-run prints what would be told, and tells nobody', async () => {
    await fail();
    const { code, stdout } = await cli(['watch', '--dry-run'], hook());
    expect(code).toBe(65);
    expect(stdout).toMatch(/^tidemark on .*\n\nCRITICAL sync-commission-log 3/);
    expect(http.take()).toEqual([]);
    expect((await cli(['alarm', 'list'])).stdout).toBe('nothing stands\n');
  });

  test('--json tells scripts what stands and what became of it', async () => {
    await fail();
    expect(json(await cli(['watch', '--json'], hook()))).toMatchObject({
      standing: [{ key: 'failing:sync-commission-log:3', gravity: 'critical', job: 'sync-commission-log', shard: '3' }],
      messages: [{ alarms: [{ state: 'raised' }] }],
      deliveries: [{ channel: 'webhook', error: null }],
    });
  });

  test('names the command where its table is missing, and the job that is none', async () => {
    await scene.world.main.write('RENAME TABLE tidemark_alarm TO away');
    const result = await cli(['watch'], hook());
    await scene.world.main.write('RENAME TABLE away TO tidemark_alarm');
    expectComplaint(result, 78, /tidemark_alarm/, /Next: tidemark migrate/);
    expectComplaint(
      await cli(['watch'], { TIDEMARK_UNUSED_JOBS: 'settle-moth' }),
      78,
      /TIDEMARK_UNUSED_JOBS.*did you mean settle-month/,
    );
  });

  test('pings for itself, so that somebody hears when it is not started', async () => {
    await cli(['watch'], { TIDEMARK_PING_URL: http.url('/ping/{job}') });
    expect(http.take().map(({ path }) => path)).toEqual(['/ping/watch']);
  });
});

describe('alarm list and silence', () => {
  test('tell what stands since when, and keep it silent with a reason', async () => {
    await fail();
    await cli(['watch'], hook());
    const { stdout } = await cli(['alarm', 'list']);
    expect(stdout).toMatch(
      /^critical {2}failing:sync-commission-log:3\n {2}sync-commission-log 3: the last 3 runs failed/,
    );
    expect(stdout).toMatch(/since 20\d\d-.* \(\d+ s\), told 20\d\d-/);
    const silent = await cli([
      'alarm',
      'silence',
      'failing:sync-commission-log:3',
      '--for',
      '9h',
      '--reason',
      'index is being built',
    ]);
    expect(silent).toMatchObject({ code: 0, stdout: expect.stringContaining('is silent until') });
    await scene.world.main.write('UPDATE tidemark_alarm SET told_at = told_at - INTERVAL 8 HOUR');
    http.take();
    expectSilence(await cli(['watch'], hook()));
    expect(http.take()).toEqual([]);
    expect(json(await cli(['alarm', 'list', '--json']))).toMatchObject([
      { silencedUntil: expect.stringMatching(/^20/) },
    ]);
    await scene.world.main.write('UPDATE tidemark_alarm SET silenced_until = silenced_until - INTERVAL 10 HOUR');
    expectSilence(await cli(['watch'], hook()));
    expect(http.take()).toHaveLength(1);
  });

  test('refuse a name that does not stand, and silence without a reason', async () => {
    expectComplaint(
      await cli(['alarm', 'silence', 'failing:x', '--for', '1h', '--reason', 'r']),
      64,
      /nothing stands by the name "failing:x"/,
    );
    expectComplaint(await cli(['alarm', 'silence', 'failing:x', '--for', '1h']), 64, /--reason is missing/);
  });
});

describe('alarm test', () => {
  test('sends one through every channel, and shows what happened', async () => {
    http.answers.set('/hook', [{ status: 410, body: 'gone' }]);
    const settings = {
      ...hook(),
      TIDEMARK_ALARM_SLACK: http.url('/slack'),
      TIDEMARK_PING_URL: http.url('/ping/{job}'),
    };
    const { code, stdout } = await cli(['alarm', 'test'], settings);
    expect(code).toBe(1);
    expect(stdout).toMatch(/webhook +HTTP 410: gone +\d+ ms\nslack +sent +\d+ ms\nping +sent/);
    expect(
      http
        .take()
        .map(({ path }) => path)
        .sort(),
    ).toEqual(['/hook', '/ping/watch', '/slack']);
    expect((await cli(['alarm', 'test'], { TIDEMARK_ALARM_SLACK: http.url('/slack') })).code).toBe(0);
  });

  test('without a channel says what to set', async () => {
    expectComplaint(await cli(['alarm', 'test']), 78, /no channel is set/, /TIDEMARK_ALARM_…/);
  });
});
