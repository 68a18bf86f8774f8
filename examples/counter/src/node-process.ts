/**
 * The program of one node process: it gets its order over IPC, serves until SIGTERM, then drains.
 *
 * Parent: start → child: ready → (SIGTERM) → child: drained. Instead of either: failed.
 */
import { shardsForNode } from '@clstr/core';
import type { NatsTransportOptions } from '@clstr/transport-nats';
import { natsTransport } from '@clstr/transport-nats';
import { NUM_SHARDS } from './cluster.ts';
import { counterHandler } from './counter.ts';
import { createCountingNode } from './counting-node.ts';

export interface StartOrder {
  id: string;
  /** The ids of all nodes of the cluster, from which every node computes its own shards. */
  ids: readonly string[];
  cacheSize: number;
  /** Sent over IPC rather than as arguments: it may hold a password, and process lists show arguments. */
  nats: NatsTransportOptions;
}

export type NodeReport =
  { kind: 'ready' } | { kind: 'drained'; increments: number } | { kind: 'failed'; reason: string };

// Ctrl-C reaches every process of a terminal: only the parent handles it.
process.on('SIGINT', () => undefined);
process.once('uncaughtException', fail);
process.once('message', (order: StartOrder) => {
  serve(order).catch(fail);
});

async function serve({ id, ids, cacheSize, nats }: StartOrder): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('disconnect', () => resolve()); // the parent is gone
  });
  const transport = await natsTransport({ ...nats, name: id });
  const shards = shardsForNode(id, ids, NUM_SHARDS);
  const { node, increments } = createCountingNode({ id, shards }, transport, counterHandler(cacheSize));
  await node.start();
  report({ kind: 'ready' }, () => undefined);
  await stopped;
  await node.drain();
  await transport.close();
  // Now only the channel to the parent keeps this process alive.
  report({ kind: 'drained', increments: increments() }, () => process.connected && process.disconnect());
}

function fail(error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  report({ kind: 'failed', reason }, () => process.exit(1));
}

function report(message: NodeReport, onSent: () => void): void {
  if (process.connected) process.send?.(message, onSent);
  else onSent();
}
