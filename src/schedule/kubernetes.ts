/**
 * The timetable as CronJobs of Kubernetes. Shards that start by themselves are the indexes of one Job; the index says
 * which shard a pod takes, and how long it waits before.
 *
 * Overlapping is harmless, as everywhere: Forbid saves a pod that would find its shard locked.
 */
import type { Install } from './crontab.ts';
import { argumentsOf, type Entry } from './timetable.ts';

export interface Cluster extends Pick<Install, 'businessZone'> {
  /** Of tidemark: the tag of the image. */
  readonly version: string;
}

/** A start that could not be made for so long is left out; the next one makes up for it. */
const startSecondsMax = 300;

export function cronJobs(entries: readonly Entry[], cluster: Cluster): string {
  const header = `# tidemark's CronJobs, printed by \`tidemark crontab --kubernetes\`. Needs Kubernetes 1.27 for timeZone.
#
#   docker build -t tidemark:${cluster.version} .        then push it to where the cluster finds it, and correct image: below
#   kubectl create secret generic tidemark --from-env-file=.env
#   kubectl apply -f cronjobs.yaml
#
# A pod a minute costs more than the runs themselves: a Deployment of two replicas of \`tidemark daemon\` starts the same
# runs at the same times. See docs/schedules.md.
`;
  return [header, ...entries.map((entry) => cronJob(entry, cluster))].join('---\n');
}

function cronJob(entry: Entry, { businessZone, version }: Cluster): string {
  const sharded = entry.shards.length > 0;
  const name = `tidemark-${entry.name.replace(/[^a-z0-9]+/gi, '-').toLowerCase()}`.slice(0, 52).replace(/-+$/, '');
  const indexed = sharded
    ? `      completionMode: Indexed
      completions: ${entry.shards.length}
      parallelism: ${entry.shards.length}
`
    : '';
  return `# ${entry.why.replaceAll('\n', ' ')}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: ${JSON.stringify(name)}
  labels: { app: tidemark }
spec:
  schedule: ${JSON.stringify(entry.schedule)}
  timeZone: ${JSON.stringify(businessZone)}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: ${startSecondsMax}
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      # The next start goes on where this one ended: trying again at once would only repeat the message.
      backoffLimit: 0
${indexed}      template:
        metadata:
          labels: { app: tidemark }
        spec:
          restartPolicy: Never
          containers:
            - name: tidemark
              image: ${JSON.stringify(`tidemark:${version}`)}
              ${commandOf(entry)}
              envFrom:
                - secretRef: { name: tidemark }
`;
}

function commandOf(entry: Entry): string {
  if (entry.shards.length === 0) return `args: ${JSON.stringify(argumentsOf({ entry, shard: null, delaySeconds: 0 }))}`;
  const behind = entry.options.map(quoted).join(' ');
  const script = [
    `set -- ${entry.shards.map(quoted).join(' ')}`,
    'shift "$JOB_COMPLETION_INDEX"',
    `sleep $((${entry.staggerSeconds} * JOB_COMPLETION_INDEX))`,
    `exec tidemark ${entry.command.map(quoted).join(' ')} "$1"${behind === '' ? '' : ` ${behind}`}`,
  ].join('; ');
  return `command: ["sh", "-c", ${JSON.stringify(script)}]`;
}

const quoted = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
