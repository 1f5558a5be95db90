/** One change of a database. Its statement may be repeated: a crash can come between it and the note that it was done. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}
