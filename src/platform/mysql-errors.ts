/**
 * What an error of MySQL or MariaDB means for a job. The only place that knows their numbers.
 *
 * `transient`  the whole transaction may be tried again on the same connection (lock waits, deadlocks)
 * `connection` the connection is gone; what it had not committed was rolled back, and a COMMIT may or may not have happened
 * `row`        the server refuses the content of a row; other rows may be fine
 * `setup`      a privilege, table or column is missing: a person must act
 * `unwritable` the server or table accepts no writes now: disk full, read only
 * `other`      anything else
 */

export type Failure = 'transient' | 'connection' | 'row' | 'setup' | 'unwritable' | 'other';

const numbers: Record<Exclude<Failure, 'other'>, ReadonlySet<number>> = {
  // lock wait timeout, deadlock, changed since the snapshot (MariaDB 11), table definition changed under the transaction
  transient: new Set([1205, 1213, 1020, 1412]),
  // shutdown, network read and write errors, killed, gone away, lost, idle timeout of MySQL 8
  connection: new Set([1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 4031]),
  // NULL, duplicates, no default, range, truncation, wrong value, charset, length, foreign key, CHECK, JSON, trigger
  row: new Set([
    1048, 1062, 1118, 1153, 1169, 1264, 1265, 1292, 1364, 1366, 1367, 1406, 1411, 1416, 1441, 1451, 1452, 1526, 1557,
    1586, 1644, 1690, 3140, 3156, 3819, 4025, 4078,
  ]),
  // access to database, table, column, routine; unknown database, table, column; PROCESS or SUPER missing
  setup: new Set([1044, 1045, 1049, 1054, 1142, 1143, 1146, 1227, 1370, 1665]),
  // disk full, table full, engine error, read-only table, server, transaction
  unwritable: new Set([3, 1021, 1026, 1030, 1036, 1114, 1290, 1792, 1785]),
};

const socketCodes = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNABORTED',
]);

interface DriverError extends Error {
  readonly errno?: number;
  readonly code?: string;
  readonly fatal?: boolean;
}

/** The server's error number, or 0. */
export function errorNumber(error: unknown): number {
  const number = (error as DriverError | null)?.errno;
  return typeof number === 'number' && number > 0 ? number : 0;
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return 'other';
  const { code, fatal } = error as DriverError;
  const number = errorNumber(error);
  for (const [failure, known] of Object.entries(numbers)) {
    if (known.has(number)) return failure as Failure;
  }
  // After KILL the driver's error carries neither number nor code, only that the connection is over.
  if (fatal === true || code?.startsWith('PROTOCOL_') === true || socketCodes.has(code ?? '')) return 'connection';
  return /connection (is|was) (in )?closed|can't add new command when connection/i.test(error.message)
    ? 'connection'
    : 'other';
}
