/** `tidemark local`: private servers in the working folder, for trying things. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { environmentWith } from '../platform/config.ts';
import { exitCodes, SetupError } from '../platform/errors.ts';
import { down, status, up } from '../platform/local/index.ts';
import { Mask } from '../platform/masking.ts';
import { print, printJson, remark } from './output.ts';

const folder = () => join(process.cwd(), '.tidemark');

export const local = {
  async up(options: { json?: true }): Promise<number> {
    const servers = await up(folder(), { say: remark });
    if (options.json) printJson(new Mask().fields({ started: servers.started, ...servers.settings }));
    else
      print(
        `MariaDB on 127.0.0.1:${servers.mariadb.port}, Redis on 127.0.0.1:${servers.redis.port}; settings in ${join(folder(), 'local.env')}\nNext: tidemark config shows them; tidemark migrate makes the tables`,
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
    // Passwords are in .tidemark/local.env, for this user alone; what is printed ends up in logs.
    if (options.json) printJson(new Mask().fields({ ...state }));
    else {
      const where = (port: number | undefined) => (port === undefined ? '' : ` on 127.0.0.1:${port}`);
      print(`MariaDB: ${state.mariadb}${where(state.mariadbPort)}, Redis: ${state.redis}${where(state.redisPort)}`);
      if (state.mariadb !== 'up' || state.redis !== 'up') print('Next: tidemark local up');
    }
    return 0;
  },
};

const addresses = { plus: 'SOURCE_DATABASE_URL', mia: 'MAIN_DATABASE_URL', ledger: 'LEDGER_DATABASE_URL' } as const;

/** MariaDB's own client in a database of the private servers: for a person, or for a file of SQL on its input. */
export async function localSql(database: keyof typeof addresses): Promise<number> {
  const { settings } = await status(folder());
  if (settings === undefined)
    throw new SetupError('the private servers of this folder are not up', 'tidemark local up');
  const { hostname, port, username, password } = new URL(settings[addresses[database]]);
  const client = spawn('mariadb', ['--no-defaults', '-h', hostname, '-P', port, '-u', username, database], {
    env: environmentWith({ MYSQL_PWD: password }),
    stdio: 'inherit',
  });
  return new Promise((resolve, reject) => {
    client.once('error', (error) =>
      reject(new SetupError(`MariaDB's client cannot be started: ${error.message}`, 'apt-get install mariadb-client')),
    );
    client.once('close', (code) => resolve(code === 0 ? exitCodes.done : exitCodes.failed));
  });
}
