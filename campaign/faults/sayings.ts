/** What a run may say, by what has happened to it. */

/** It lost a connection, or its place to another run. */
export const cutOff: readonly RegExp[] = [
  /^tidemark: .*(the connection to the database was lost|cannot be reached)/,
  /^tidemark: .*(has taken over|has taken the lock|has moved the checkpoint).*changes nothing more/,
];

/** Redis was away, or held something else. */
export const redisTrouble: readonly RegExp[] = [
  /^\{.*"message":"(Redis cannot be reached|the checkpoint is safe in the database, but not copied|Redis held|Redis was ahead)/,
];
