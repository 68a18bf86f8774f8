/** The program of one node process: it gets its order over IPC, serves until SIGTERM, then drains. */
import { actorHandler } from '@clstr/actors';
import type { Handler } from '@clstr/core';
import { TIMINGS, createNode, isClstrError } from '@clstr/core';
import { connectFencedStore } from '@clstr/testing/internal';
import { natsMembership, natsTransport } from '@clstr/transport-nats';
import { counterActor } from './counter.ts';
import { createHandlerLog } from './handler-log.ts';
import type { NodeOrder, NodeReport } from './node-reports.ts';
import { nowMs } from './now.ts';

/** How many counters stay in memory. */
const CACHE_SIZE = 100_000;
/** The ping interval of a node's request connection; that of its membership follows from its timing. */
const PING_MS = 500;

// Ctrl-C reaches every process of a terminal: only the parent handles it.
process.on('SIGINT', () => undefined);
process.once('uncaughtException', fail);
process.once('message', (order: NodeOrder) => {
  serve(order).catch(fail);
});

async function serve(order: NodeOrder): Promise<void> {
  const { id, servers, memberServers, replicas, numShards, seed, placement, identity, storePort } = order;
  const { timing = 'fast', pingIntervalMs = PING_MS } = order;
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('disconnect', () => resolve()); // the parent is gone
  });
  const store = await connectFencedStore({ port: storePort });
  const transport = await natsTransport({ servers, name: id, pingIntervalMs });
  const log = createHandlerLog((steps) => report({ kind: 'handlers', steps }));
  const node = createNode({
    id,
    transport,
    numShards,
    seed,
    identity,
    membership: natsMembership({
      servers: memberServers,
      name: `${id}-member`,
      timing,
      placement,
      replicas,
      allowUnsafeServer: true,
    }),
    handler: tellingOfReleases(actorHandler([counterActor(store, log)], { cacheSize: CACHE_SIZE })),
  });
  node.onEvent((event) => report({ kind: 'event', at: nowMs(), event }));
  await node.start();
  report({ kind: 'ready' });
  await stopped;
  await node.drain({ graceMs: TIMINGS[timing].drainMs });
  await transport.close();
  await store.close();
  // A connection attempt to a silent peer that the NATS client gave up on would keep this process alive.
  if (process.connected) process.once('disconnect', () => process.exit()).disconnect();
  else process.exit();
}

function tellingOfReleases(handler: Handler): Handler {
  return Object.assign<Handler, Pick<Handler, 'close' | 'handOver' | 'drop'>>(
    (request, context) => handler(request, context),
    {
      ...handler,
      handOver(shard, refusal, limitMs) {
        report({ kind: 'releasing', at: nowMs(), shard });
        return handler.handOver?.(shard, refusal, limitMs) ?? Promise.resolve();
      },
    },
  );
}

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const known = isClstrError(error) ? { code: error.code, details: error.details } : {};
  report({ kind: 'failed', message, ...known }, () => process.exit(1));
}

function report(message: NodeReport, onSent: () => void = () => undefined): void {
  if (process.connected) process.send?.(message, undefined, undefined, onSent);
  else onSent();
}
