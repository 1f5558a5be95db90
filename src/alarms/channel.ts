/** A way by which alarms reach people. */
import type { Message } from './message.ts';

export interface Channel {
  readonly name: string;
  /**
   * @returns a remark, where it was taken with a reservation; else null
   * @throws an error whose message says why it was not taken, without any secret
   */
  send(message: Message): Promise<string | null>;
}

/** What became of a message in one channel; `error` is null where it was taken. */
export interface Delivery {
  readonly channel: string;
  readonly ms: number;
  readonly error: string | null;
  readonly remark: string | null;
}
