import { startTestServers, mysqlUrl, newDatabase } from '/work/main/test/support/servers.ts';
import { Session } from '/work/main/src/platform/mysql.ts';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
const s = await startTestServers();
execFileSync('mkdir',['-p','/tmp/dsk']); execFileSync('mount',['-t','tmpfs','-o',process.argv[2]??'size=640k','tmpfs','/tmp/dsk']);
try {

const { World } = await import('/work/main/test/support/world.ts');
const w = await World.create(s.addresses);
await w.source.write(`INSERT INTO plus_commission_log_1 SELECT seq, 1001, CONCAT('SN', seq), seq, 1, 1, REPEAT('x', 200), at, at
       FROM (SELECT seq, '2026-11-18 10:00:00' + INTERVAL seq SECOND at FROM seq_1_to_4000) nn`);
const [[, create]] = await w.main.tuples('SHOW CREATE TABLE plus_commission_log') as any;
await w.main.write('DROP TABLE plus_commission_log');
await w.main.write(`${create} DATA DIRECTORY = '/tmp/dsk'`);
for (let i=0;i<2;i++){ const t=Date.now(); const r= await w.cli(['run','sync-commission-log','1'],{TIDEMARK_WINDOW_ROWS:'500'}); console.log(Date.now()-t, r, await w.main.tuples('SELECT COUNT(*) FROM plus_commission_log').catch(e=>e.message)); }
execFileSync('mount',['-o','remount,size=64m','/tmp/dsk']);
{const t=Date.now(); const r= await w.cli(['run','sync-commission-log','1'],{TIDEMARK_WINDOW_ROWS:'500'}); console.log(Date.now()-t, r);}
} catch(e){console.log('ERR',e)} finally {
console.log(readFileSync(s.folder+'/mariadb.log','utf8').slice(-1500));
execFileSync('umount',['-l','/tmp/dsk']); await s.stop(); }
process.exit();
