/** Installations that crontabs and units are printed for. */
import type { Install } from '../../src/schedule/crontab.ts';

/** The one of crontab.example. */
export const exampleInstall: Install = {
  program: '/opt/tidemark/bin/tidemark',
  path: ['/usr/local/bin', '/usr/bin', '/bin'],
  mailTo: 'backend-oncall@example.com',
  user: null,
  businessZone: 'Asia/Shanghai',
  hostZone: 'Asia/Shanghai',
  missing: [],
  now: Date.parse('2026-11-21T12:00:00+08:00'),
};
