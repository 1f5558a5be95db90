/** Commands about a job without windows: what they tell of it, and what they refuse. */

import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { payOrders } from '../../migrations/index.ts';
import { expectComplaint, json, startCli } from '../support/cli-tools.ts';
import { addThings, createThings, Gateway } from '../support/thing-book.ts';
import { type CliResult, World } from '../support/world.ts';

const program = fileURLToPath(new URL('../support/thing-cli.ts', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));
const job = 'check-pending-payments';

describe('a job without windows', () => {
  let world: World;
  let gateway: Gateway;
  beforeAll(async () => {
    world = await World.create(inject('servers'), { ledger: true });
    gateway = await Gateway.start();
  });
  afterAll(async () => {
    await gateway.stop();
    await world.destroy();
  });

  /** With things in place of payments. */
  const cli = (...args: string[]): Promise<CliResult> =>
    startCli(
      ['--import', 'tsx', program, ...args],
      { ...world.settings, THING_GATEWAY: gateway.address },
      { program: process.execPath, folder: root },
    ).ended;

  test('whose tables are missing says so in its status, and fails with 78', async () => {
    const [line] = json<{ heldBackBy: { kind: string; detail: string }; due?: unknown }[]>(
      await cli('status', job, '--json'),
    );
    expect(line?.heldBackBy).toMatchObject({ kind: 'setup', detail: expect.stringMatching(/thing.*doesn't exist/) });
    expect(line).not.toHaveProperty('due');
    expectComplaint(await cli('run', job), 78, /thing.*doesn't exist/, /tidemark migrate/);
    await createThings(world.ledger);
  });

  test('tells what is due and how old the oldest is, in place of checkpoint and lag', async () => {
    await addThings(world.ledger, { count: 3, dueMs: 90_000 });
    const [line] = json<Record<string, unknown>[]>(await cli('status', job, '--json'));
    expect(line).toMatchObject({
      job,
      shard: null,
      checkpoint: null,
      watermark: null,
      lagSeconds: null,
      redis: null,
      deadLetters: 0,
      heldBackBy: null,
      proof: null,
      due: [{ kind: 'orders', count: 3, oldest: expect.stringMatching(/^2\d{3}-.*\+08:00$/) }],
    });
    const { stdout } = await cli('status', job);
    expect(stdout).toMatch(/^- +3 orders due +\d+ s +/m);
  });

  test('counts what is due in a dry run', async () => {
    const { shards } = json<{ shards: object[] }>(await cli('run', job, '--dry-run', '--json'));
    expect(shards).toEqual([expect.objectContaining({ shard: null, outcome: 'done', read: 3, windows: 0 })]);
    expect(gateway.asked).toEqual([]);
  });

  test('ends with 65 while a letter is open, and tells it once', async () => {
    gateway.answer = (id) => (id === 2 ? 'stuck' : 'ended');
    const first = await cli('run', job);
    expect(first.code).toBe(65);
    expect(first.stderr).toMatch(/the gateway says stuck/);
    expect(first.stderr).toMatch(/1 .*dead letters?.*Next: tidemark dead-letters list check-pending-payments/);
    expect(await cli('run', job)).toEqual({ code: 65, stdout: '', stderr: '' });
  });

  test('tries letters again on request', async () => {
    gateway.answer = () => 'ended';
    const { code, stdout, stderr } = await cli('dead-letters', 'retry', job, '--yes');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^1 dead letter is settled$/m);
    expect(gateway.asked.filter(({ id }) => id === 2)).toHaveLength(2);
  });

  test('is silent when nothing is due', async () => {
    expect(await cli('run', job)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('tells a run as JSON with the fields that all have', async () => {
    expect(json(await cli('run', job, '--json'))).toMatchObject({
      job,
      outcome: 'nothing-due',
      shards: [
        {
          shard: null,
          outcome: 'nothing-due',
          windows: 0,
          from: null,
          to: null,
          read: 0,
          inserted: 0,
          updated: 0,
          unchanged: 0,
          deadLetters: 0,
          checkpoint: null,
        },
      ],
    });
  });

  test.each([
    ['--from/--to', ['--from', '2026-11-20T00:00:00', '--to', '2026-11-21T00:00:00']],
    ['--full', ['--full']],
    ['--sweep', ['--sweep']],
    ['--max-windows', ['--max-windows', '3']],
  ])('refuses %s, and says why', async (option, args) => {
    expectComplaint(
      await cli('run', job, ...args),
      64,
      `${job} has no windows, so ${option} means nothing to it`,
      `Next: tidemark run ${job}`,
    );
  });

  test.each([
    ['a checkpoint', ['checkpoint', job]],
    ['a proof', ['verify', job]],
    ['a shard', ['run', job, '3']],
  ])('refuses to be asked for %s', async (_, args) => {
    expectComplaint(await cli(...args), 64, job, 'Next: ');
  });

  test('is left out of what verify proves of all jobs', async () => {
    expect(json(await cli('verify', '--json'))).toMatchObject({ gaps: [], overlaps: [], checked: 0, shards: [] });
  });

  test('is among the jobs of this installation', async () => {
    const jobs = json<{ job: string; schedule: string }[]>(await world.cli(['list', '--json']));
    expect(jobs).toContainEqual(expect.objectContaining({ job, schedule: '* * * * *' }));
    for (const { sql } of payOrders(4)) await world.ledger.write(sql);
    expect(json(await world.cli(['run', job, '--json']))).toMatchObject({ outcome: 'nothing-due' });
  });
});
