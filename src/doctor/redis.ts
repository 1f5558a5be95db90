/** Redis: whether it takes writes, keeps what it has, and has room. */
import { broken, type Check, doubtful, type Finding, fine } from './check.ts';
import { isLocal, type Patient } from './patient.ts';

/** Above this share of its memory a server begins to refuse or evict. */
const fullShare = 0.9;

export const redisChecks = (patient: Patient): Check[] => [
  {
    group: 'redis',
    about: 'Redis',
    needs: ['redis'],
    async look(access) {
      const redis = await access.redis();
      const url = new URL(patient.config.need('REDIS_URL') as string);
      const { facts } = await redis.examine();
      const saves = await redis.saves();
      const key = `${patient.config.need('TIDEMARK_REDIS_PREFIX')}doctor`;
      const refusal = await redis.tryWriting(key).then(
        () => null,
        (error: Error) => error.message,
      );
      return [
        ...encryption(url),
        ...writing(facts, refusal),
        ...eviction(facts),
        ...memory(facts),
        ...persistence(facts, saves),
      ];
    },
  },
];

type Facts = ReadonlyMap<string, string>;

function encryption(url: URL): Finding[] {
  if (url.protocol === 'rediss:' || isLocal(url)) return [];
  return [
    doubtful(
      `the connection to Redis at ${url.host} is not encrypted`,
      'whoever is on the way reads the password',
      'REDIS_URL=rediss://…, where the server offers it',
    ),
  ];
}

export function writing(facts: Facts, refusal: string | null): Finding[] {
  const isReplica = facts.get('role') === 'slave';
  if (refusal === null && !isReplica) return [fine('Redis takes writes')];
  return [
    broken(
      isReplica ? 'REDIS_URL leads to a replica' : `Redis refuses to write: ${refusal}`,
      'checkpoints are not copied there, and check-pending-payments gets no leave to ask a provider',
      isReplica
        ? 'point REDIS_URL at the primary'
        : 'redis-cli INFO persistence, redis-cli INFO memory, redis-cli ACL WHOAMI',
    ),
  ];
}

function eviction(facts: Facts): Finding[] {
  const policy = facts.get('maxmemory_policy') ?? 'unknown';
  if (!policy.startsWith('allkeys-')) return [fine(`Redis evicts no checkpoint (maxmemory-policy ${policy})`)];
  return [
    doubtful(
      `Redis evicts any key when its memory is full (maxmemory-policy ${policy})`,
      'checkpoints that others look up disappear until the next run, and so do grants and due orders of payments',
      'redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf',
    ),
  ];
}

export function memory(facts: Facts): Finding[] {
  const used = Number(facts.get('used_memory') ?? 0);
  const limit = Number(facts.get('maxmemory') ?? 0);
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 1_048_576)} MB`;
  if (limit === 0 || used < limit * fullShare)
    return [fine(`Redis uses ${megabytes(used)} of ${limit === 0 ? 'as much memory as there is' : megabytes(limit)}`)];
  return [
    doubtful(
      `Redis uses ${megabytes(used)} of ${megabytes(limit)}`,
      'it will refuse writes, or evict, when the memory is full',
      `redis-cli CONFIG SET maxmemory ${megabytes(limit * 2).replace(' MB', 'mb')}, or find what fills it: redis-cli --bigkeys`,
    ),
  ];
}

function persistence(facts: Facts, saves: string | null): Finding[] {
  if (facts.get('rdb_last_bgsave_status') === 'err' || facts.get('aof_last_write_status') === 'err')
    return [
      doubtful(
        'Redis could not save its data the last time',
        'it refuses writes until it can, and a restart brings back old checkpoints',
        'df -h, and the log of Redis; then redis-cli BGSAVE',
      ),
    ];
  if (facts.get('aof_enabled') === '1' || saves === null || saves !== '') return [fine('Redis saves its data')];
  return [
    doubtful(
      'Redis keeps its data in memory only',
      'after a restart checkpoints are missing there until each job has run; tidemark loses nothing',
      `redis-cli CONFIG SET save '3600 1 300 100 60 10000', and in redis.conf`,
    ),
  ];
}
