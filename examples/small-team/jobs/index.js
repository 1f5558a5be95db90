/** The shop's jobs: a file each, and its line here. */
import { syncOrders } from './sync-orders.js';

export const jobs = [syncOrders];
