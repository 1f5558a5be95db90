/** `tidemark local`: private servers in the working folder, for trying things. */
import { join } from 'node:path';
import { down, status, up } from '../platform/local/index.ts';
import { print, printJson, remark } from './output.ts';

const folder = () => join(process.cwd(), '.tidemark');

export const local = {
  async up(options: { json?: true }): Promise<number> {
    const servers = await up(folder(), { say: remark });
    if (options.json) printJson({ started: servers.started, ...servers.settings });
    else
      print(
        `MariaDB on 127.0.0.1:${servers.mariadb.port}, Redis on 127.0.0.1:${servers.redis.port}; settings in ${join(folder(), 'local.env')}\nNext: tidemark demo, or tidemark config`,
      );
    return 0;
  },
  async down(options: { json?: true }): Promise<number> {
    const { wasRunning: stopped } = await down(folder());
    if (options.json) printJson({ stopped });
    else print(stopped ? 'stopped; their data stays in .tidemark' : 'nothing was running');
    return 0;
  },
  async status(options: { json?: true }): Promise<number> {
    const state = await status(folder());
    if (options.json) printJson(state);
    else print(`MariaDB: ${state.mariadb}, Redis: ${state.redis}`);
    return 0;
  },
};
