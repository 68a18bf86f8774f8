/** What the processes of the shop have in common: their settings, and how a parent process follows them. */
import type { Cluster } from '@clstr/core';
import { natsCluster } from '@clstr/transport-nats';

export const CLUSTER = 'shop';

/** @throws Error for a variable that is missing in the environment */
export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`the environment variable ${name} is missing`);
  return value;
}

export function shopCluster(): Cluster {
  return natsCluster({ servers: setting('NATS_URL'), name: CLUSTER, timing: 'datacenter' });
}

/** Tells the parent, if there is one, where this process answers; closes it when the parent is gone. */
export function reportReady(url: string, close: () => Promise<void>): void {
  process.once('disconnect', () => void close());
  process.channel?.unref();
  process.send?.(url);
}
