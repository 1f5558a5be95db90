import { describe, expect, test } from 'vitest';
import { errorNumber, type Failure, failureOf } from '../../src/platform/mysql-errors.ts';

const failed = (errno: number, code = 'ER_ANY') => Object.assign(new Error(`error ${errno}`), { errno, code });

describe('what an error number of the server means', () => {
  test.each<[Failure, string, number[]]>([
    ['transient', 'lock wait timeout, deadlock, changed row, changed table', [1205, 1213, 1020, 1412]],
    ['connection', 'shutdown, network, killed, gone away, lost, idle too long', [1053, 1158, 1927, 2006, 2013, 4031]],
    ['row', 'NULL, duplicate, range, truncation, wrong value, too long', [1048, 1062, 1264, 1265, 1366, 1406]],
    ['row', 'foreign key, CHECK of MySQL and of MariaDB, trigger, too large', [1452, 3819, 4025, 1644, 1153]],
    ['setup', 'access, unknown database, column, table, missing privilege', [1044, 1045, 1049, 1054, 1142, 1146, 1227]],
    ['unwritable', 'disk full, table full, read-only server and transaction', [3, 1021, 1114, 1290, 1792]],
    ['other', 'syntax error, unknown number', [1064, 65_000]],
  ])('%s: %s', (failure, _, numbers) => {
    for (const number of numbers) expect([number, failureOf(failed(number))]).toEqual([number, failure]);
  });

  test('the number counts more than that the driver calls the error fatal', () => {
    expect(failureOf(Object.assign(failed(1045), { fatal: true }))).toBe('setup');
    expect(failureOf(Object.assign(failed(1049), { fatal: true }))).toBe('setup');
  });
});

describe('what an error without a number of the server means', () => {
  test.each([
    'ECONNRESET',
    'ECONNREFUSED',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ECONNABORTED',
    'PROTOCOL_CONNECTION_LOST',
    'PROTOCOL_SEQUENCE_TIMEOUT',
  ])('%s is a lost connection', (code) => {
    expect(failureOf(Object.assign(new Error('it broke'), { code, errno: -104 }))).toBe('connection');
  });

  test('after KILL the driver tells neither number nor code: fatal means a lost connection', () => {
    expect(failureOf(Object.assign(new Error('Connection was killed'), { fatal: true }))).toBe('connection');
  });

  test.each([
    "Can't add new command when connection is in closed state",
    'Connection is closed',
    'The connection was closed',
    'Pool connection is in closed state',
  ])('"%s" is a lost connection', (message) => expect(failureOf(new Error(message))).toBe('connection'));

  test.each([
    ['an ordinary error', new Error('it failed')],
    ['a mistake in the program', new TypeError('x is not a function')],
    ['an error that only speaks of connections', new Error('the connection between rows and columns')],
    ['a missing file', Object.assign(new Error('no such file'), { code: 'ENOENT', errno: -2 })],
    ['a driver error that is not fatal', Object.assign(new Error('odd'), { fatal: false })],
    ['text', 'ECONNRESET'],
    ['an object that is no error', { errno: 1213, code: 'ER_LOCK_DEADLOCK' }],
    ['null', null],
    ['nothing', undefined],
  ])('%s is none of these', (_, error) => expect(failureOf(error)).toBe('other'));
});

describe('the error number', () => {
  test('is the number of the server', () => expect(errorNumber(failed(1062))).toBe(1062));

  test('is 0 where there is none: system errors count downwards, other things carry none', () => {
    expect(errorNumber(Object.assign(new Error('read ECONNRESET'), { errno: -104 }))).toBe(0);
    for (const error of [new Error('plain'), Object.assign(new Error('odd'), { errno: '1062' }), null, undefined, 'x'])
      expect(errorNumber(error)).toBe(0);
  });
});
