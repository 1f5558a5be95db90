/** Alarms by e-mail: nodemailer, loaded when there is one to send. */
import type { Channel } from './channel.ts';

interface Mail {
  readonly to: readonly string[];
  readonly from: string;
  /** `smtp://user:password@host:port` */
  readonly smtp: string;
  readonly timeoutMs: number;
}

export const mail = ({ to, from, smtp, timeoutMs }: Mail): Channel => ({
  name: 'e-mail',
  async send(message) {
    const { createTransport } = (await import('nodemailer')).default;
    const limits = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs };
    const transport = createTransport({ url: smtp, dnsTimeout: timeoutMs, ...limits });
    // Those limits begin anew with each line that the server sends; this one does not.
    const totalMs = 3 * timeoutMs;
    const signal = AbortSignal.timeout(totalMs);
    try {
      const letter = { from, to: [...to], subject: message.subject, text: `${message.text()}\n` };
      const headers = { 'Auto-Submitted': 'auto-generated' };
      const { rejected } = await transport.sendMail({ ...letter, headers, signal });
      // Told again to all, for the sake of one, it would come every five minutes.
      return rejected.length === 0 ? null : `the server refused ${rejected.join(', ')}`;
    } catch (error) {
      throw signal.aborted ? new Error(`not done within ${totalMs} ms, and given up`) : error;
    } finally {
      transport.close();
    }
  },
});
