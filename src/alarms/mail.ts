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
    try {
      const letter = { from, to: [...to], subject: message.subject, text: `${message.text()}\n` };
      const { rejected } = await transport.sendMail({ ...letter, headers: { 'Auto-Submitted': 'auto-generated' } });
      // Told again to all, for the sake of one, it would come every five minutes.
      return rejected.length === 0 ? null : `the server refused ${rejected.join(', ')}`;
    } finally {
      transport.close();
    }
  },
});
