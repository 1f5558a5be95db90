/**
 * One pair of servers for all test files of a run. A test file gets them by `inject('servers')`, and makes databases of
 * its own on them; what kills servers starts its own with `startTestServers()`.
 */
import type { TestProject } from 'vitest/node';
import { startTestServers } from './servers.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await startTestServers({ quickCommits: true });
  project.provide('servers', servers.addresses);
  return () => servers.stop();
}
