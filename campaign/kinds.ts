/** The kinds of campaigns, in the order in which people should see them. */
import type { Kind } from './fault.ts';
import { kills } from './faults/kills.ts';

export const kinds: readonly Kind[] = [kills];
