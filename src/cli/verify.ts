import { readCheckpoint, titleOf } from '../engine/checkpoint.ts';
import { shardNames } from '../engine/job.ts';
import { type Flaw, proveTiling } from '../engine/journal.ts';
import { exitCodes } from '../platform/errors.ts';
import { type App, chosenJobs, openSurroundings, withSession } from './app.ts';
import { grouped, print, printJson } from './output.ts';

export async function verify(app: App, jobName: string | undefined, options: { json?: true }): Promise<number> {
  const jobs = chosenJobs(app, jobName);
  const surroundings = openSurroundings();
  const { zone } = surroundings;
  const names = jobs.flatMap((job) => shardNames(job).map((shard) => ({ job: job.name, shard })));
  const proofs = await withSession(surroundings, 'main', async (session) => {
    const all = [];
    for (const name of names)
      all.push(await proveTiling(session, name, await readCheckpoint(session, name, zone), zone));
    return all;
  });
  const told = ({ job, shard, from, to }: Flaw) => ({
    job,
    shard: shard || null,
    from: zone.iso(from),
    to: zone.iso(to),
  });
  const gaps = proofs.flatMap((proof) => proof.gaps);
  const overlaps = proofs.flatMap((proof) => proof.overlaps);
  const checked = proofs.reduce((sum, proof) => sum + proof.checked, 0);
  if (options.json) printJson({ gaps: gaps.map(told), overlaps: overlaps.map(told), checked });
  else {
    for (const [what, flaws] of [
      ['gap', gaps],
      ['overlap', overlaps],
    ] as const) {
      for (const flaw of flaws)
        print(
          `${what} in ${titleOf(flaw)}: ${zone.iso(flaw.from)} to ${zone.iso(flaw.to)}. Next: tidemark checkpoint ${titleOf(flaw)} --set ${zone.iso(flaw.from)}, then tidemark run ${titleOf(flaw)}`,
        );
    }
    print(
      `${grouped(checked)} windows of ${names.length} shards checked: ${gaps.length} gaps, ${overlaps.length} overlaps`,
    );
  }
  return gaps.length + overlaps.length === 0 ? exitCodes.done : exitCodes.waitsForPerson;
}
