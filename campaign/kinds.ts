/** The kinds of campaigns, in the order in which people should see them. */
import type { Kind } from './fault.ts';
import { database } from './faults/database.ts';
import { kills } from './faults/kills.ts';
import { network } from './faults/network.ts';
import { pauses } from './faults/pauses.ts';
import { redis } from './faults/redis.ts';

export const kinds: readonly Kind[] = [kills, pauses, network, redis, database];
