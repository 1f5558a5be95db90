import { describe, expect, test } from 'vitest';
import type { Finding } from '../../src/doctor/check.ts';
import { schedules } from '../../src/doctor/cron.ts';
import { room } from '../../src/doctor/host.ts';
import { memory, writing } from '../../src/doctor/redis.ts';
import { bigNumbers, encryption, sessionKept } from '../../src/doctor/servers.ts';
import { node } from '../../src/doctor/settings.ts';
import { index } from '../../src/doctor/tables.ts';
import { clock } from '../../src/doctor/time.ts';
import type { Cell, Session } from '../../src/platform/mysql.ts';
import type { Table } from '../../src/platform/table.ts';

const states = (findings: readonly Finding[]) => findings.map(({ state }) => state);

/** A session that has one answer for everything. */
const answering = (row: Cell[]) => ({ facts: { isMariadb: true }, tuples: async () => [row] }) as unknown as Session;

test('Node that is older than package.json asks for is broken', () => {
  expect(node('18.20.0').state).toBe('broken');
  expect(node('20.18.3').state).toBe('broken');
  expect(node('20.19.0').state).toBe('fine');
  expect(node('24.0.0').state).toBe('fine');
});

describe('the way of a number through the driver', () => {
  test('a digit that is lost on the way is broken, and both numbers are shown', async () => {
    const [finding] = await bigNumbers(answering([1, 9223372036854776000, '9223372036854775807', 0]), 'there');
    expect(finding).toMatchObject({ state: 'broken', says: expect.stringContaining('9223372036854776000') });
  });
  test('one that the server has got otherwise is broken', async () => {
    const same = '9223372036854775807';
    expect(states(await bigNumbers(answering([0, same, same, same]), 'there'))).toEqual(['broken']);
  });
});

test.each([
  ['mysql://u@db.example.com/plus', '', 'doubtful'],
  ['mysql://u@db.example.com/plus?ssl=skip-verify', 'TLS_AES_256_GCM_SHA384', 'doubtful'],
  ['mysql://u@db.example.com/plus?ssl=true', 'TLS_AES_256_GCM_SHA384', 'fine'],
  ['mysql://u@127.0.0.1/plus', '', 'fine'],
])('the connection to %s with the cipher "%s" is %s', async (address, cipher, state) => {
  const place = { names: ['source'], url: new URL(address) } as const;
  expect(states(await encryption(answering(['Ssl_cipher', cipher]), place))).toEqual([state]);
});

test.each([
  [['STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', 'READ-COMMITTED', '+00:00'], 'fine'],
  [['', 'READ-COMMITTED', '+00:00'], 'broken'],
  [['STRICT_ALL_TABLES', 'REPEATABLE-READ', '+00:00'], 'broken'],
  [['STRICT_ALL_TABLES', 'READ-COMMITTED', 'SYSTEM'], 'broken'],
])('a session with %j, which was set otherwise, is %s', async (row, state) => {
  expect(states(await sessionKept(answering(row as Cell[]), 'there'))).toEqual([state]);
});

describe('the index that windows need', () => {
  const table = (...indexes: readonly (readonly [string, readonly string[]])[]) =>
    ({ name: 't', indexes: indexes.map(([name, columns]) => ({ name, columns, unique: false })) }) as unknown as Table;
  const job = { source: { table: () => 't', time: 'at', key: 'id' } };

  test.each([
    ['on both columns', table(['PRIMARY', ['no']], ['k', ['at', 'id']]), true],
    ['on the time alone, with the primary key behind it', table(['PRIMARY', ['id']], ['k', ['at']]), true],
    ['on the time alone, where the key is another unique one', table(['PRIMARY', ['no']], ['k', ['at']]), false],
    ['on the time and something else', table(['PRIMARY', ['id']], ['k', ['at', 'city']]), false],
    ['not there', table(['PRIMARY', ['id']]), false],
  ])('%s', (_, described, isFine) => {
    const found = index(described, job);
    expect(found).toHaveLength(isFine ? 0 : 1);
    if (!isFine) expect(found[0]?.next).toEqual(['ALTER TABLE `t` ADD KEY (`at`, `id`);']);
  });
});

test('clocks may differ by what question and answer take; two seconds are doubtful, five minutes broken', () => {
  expect(clock('it', 1000, 900, 5000).state).toBe('fine');
  expect(clock('it', 5500, 900, 5000).state).toBe('fine');
  expect(clock('it', 8000, 900, 5000)).toMatchObject({
    state: 'doubtful',
    says: "the clock of it is 3 s ahead of this host's",
  });
  expect(clock('it', 0, 400_000, 400_010)).toMatchObject({
    state: 'broken',
    says: "the clock of it is 7 min behind this host's",
  });
});

describe('what starts the jobs', () => {
  const crontab = { file: '/etc/cron.d/tidemark', text: '', isSystemFile: true, lines: ['a', 'b'] };
  const none = { cronRuns: false, daemonRuns: false };

  test('lines of cron without a cron that runs are broken', () => {
    expect(states(schedules([crontab], [], none))).toEqual(['fine', 'broken']);
    expect(states(schedules([crontab], [], { ...none, cronRuns: true }))).toEqual(['fine', 'fine']);
  });
  test('timers or the daemon are enough; nothing at all is doubtful', () => {
    expect(states(schedules([], ['tidemark-a.timer'], none))).toEqual(['fine']);
    expect(states(schedules([], [], { ...none, daemonRuns: true }))).toEqual(['fine']);
    expect(states(schedules([], [], none))).toEqual(['doubtful']);
  });
});

test('little room on a disk is doubtful, none broken, and so are files that cannot be made', () => {
  const files = { files: 1000, filesFree: 900 };
  expect(room('/x', { ...files, freeBytes: 5e9 }).state).toBe('fine');
  expect(room('/x', { ...files, freeBytes: 5e8 }).state).toBe('doubtful');
  expect(room('/x', { ...files, freeBytes: 5e7 }).state).toBe('broken');
  expect(room('/x', { files: 1000, filesFree: 3, freeBytes: 5e9 })).toMatchObject({
    state: 'doubtful',
    next: ['df -i /x'],
  });
});

test('Redis that is a replica or refuses writes is broken; one whose memory is nearly full doubtful', () => {
  expect(states(writing(new Map([['role', 'slave']]), 'READONLY'))).toEqual(['broken']);
  expect(states(writing(new Map([['role', 'master']]), 'OOM command not allowed'))).toEqual(['broken']);
  expect(
    states(
      memory(
        new Map([
          ['used_memory', '95'],
          ['maxmemory', '100'],
        ]),
      ),
    ),
  ).toEqual(['doubtful']);
  expect(
    states(
      memory(
        new Map([
          ['used_memory', '95'],
          ['maxmemory', '0'],
        ]),
      ),
    ),
  ).toEqual(['fine']);
});
