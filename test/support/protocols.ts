/** As much of the protocols of MySQL and Redis as it takes to know a command when it passes, and to answer in the server's place. */

export type Protocol = 'sql' | 'redis';

const headerBytes = 4;
const quitCommand = 1;
const queryCommand = 3;

/** The statement or Redis command in what a driver writes; null when it is something else, a part of the greeting say. */
export function commandOf(protocol: Protocol, chunk: Buffer | string): string | null {
  if (protocol === 'redis') return redisCommandOf(chunk.toString());
  const bytes = Buffer.from(chunk as Buffer);
  const isFirst = bytes[headerBytes - 1] === 0;
  return isFirst && bytes[headerBytes] === queryCommand ? bytes.toString('utf8', headerBytes + 1) : null;
}

/** Whether a driver takes its leave with this. */
export function isFarewell(protocol: Protocol, chunk: Buffer | string): boolean {
  return protocol === 'sql' && Buffer.from(chunk as Buffer)[headerBytes] === quitCommand;
}

/** `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`: every other line is a length. */
function redisCommandOf(text: string): string | null {
  if (!text.startsWith('*')) return null;
  return text
    .split('\r\n')
    .filter((_, index) => index > 0 && index % 2 === 0)
    .join(' ');
}

function packet(sequence: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUIntLE(payload.length, 0, headerBytes - 1);
  header[headerBytes - 1] = sequence;
  return Buffer.concat([header, payload]);
}

export function statementPacket(sql: string): Buffer {
  return packet(0, Buffer.concat([Buffer.from([queryCommand]), Buffer.from(sql)]));
}

/** What the server answers when it refuses a statement. */
export function refusalPacket(number: number, state: string, message: string): Buffer {
  const code = Buffer.alloc(3);
  code[0] = 0xff;
  code.writeUInt16LE(number, 1);
  return packet(1, Buffer.concat([code, Buffer.from(`#${state}${message}`)]));
}
