/**
 * The program of a child process: one node of a cluster over nats-server, which reports its shards to its parent.
 * Argument: its site, as JSON.
 */
import type { NodeEvent } from '@clstr/core';
import { createNode } from '@clstr/core';
import { natsMembership, natsTransport } from '@clstr/transport-nats';

export interface NatsNodeSite {
  readonly id: string;
  readonly servers: string;
  readonly numShards: number;
}

export type NatsNodeOrder = 'cpu' | 'leave';
/** `cpu` is also the last report of a node that leaves. */
export type NatsNodeReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'event'; readonly event: NodeEvent }
  | { readonly kind: 'cpu'; readonly cpuMs: number };

const { id, servers, numShards } = JSON.parse(process.argv[2]!) as NatsNodeSite;

// Ctrl-C reaches the whole process group; the parent decides, and without it there is nothing to do.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));

const transport = await natsTransport({ servers });
const node = createNode({
  id,
  transport,
  numShards,
  membership: natsMembership({ servers }),
  handler: () => id,
});
node.onEvent((event) => report({ kind: 'event', event }));
process.on('message', (order: NatsNodeOrder) => {
  if (order === 'cpu') reportCpu();
  else void leave();
});
await node.start();
report({ kind: 'ready' });

async function leave(): Promise<void> {
  await node.drain();
  await transport.close();
  reportCpu(() => process.exit(0));
}

function reportCpu(onSent: () => void = ignore): void {
  const { user, system } = process.cpuUsage();
  report({ kind: 'cpu', cpuMs: (user + system) / 1_000 }, onSent);
}

function report(message: NatsNodeReport, onSent: () => void = ignore): void {
  process.send?.(message, onSent);
}

function ignore(): void {
  // The parent may be gone; then this process ends soon as well.
}
