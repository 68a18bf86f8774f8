// A process with one node and the probes of its app, in whatever state its parent puts it.
// Argument: its order, as JSON. It sends where its probes answer, and stays after the end of its app.
import { createServer } from 'node:http';
import { defineActor, request } from '@clstr/actors';
import { createApp, healthHandler } from '@clstr/app';
import { natsCluster, natsMembership, natsTransport } from '@clstr/transport-nats';

const { nodeId, name, servers, memberServers, timing, numShards, weight } = JSON.parse(process.argv[2]);

const Work = defineActor('work', { hold: request(), hang: request() });
const released = new Promise((resolve) => process.on('message', (order) => order.release && resolve()));
const work = Work.implement({
  setup: () => ({}),
  handlers: { hold: () => released, hang: () => new Promise(() => undefined) },
});

const health = healthHandler();
const probes = createServer(health.node).listen(0, '127.0.0.1', () => {
  process.send({ port: probes.address().port });
});
process.on('disconnect', () => process.exit());

const place =
  memberServers === undefined
    ? { cluster: natsCluster({ servers, name, timing, numShards }) }
    : {
        // No ping ends this connection: only the node's own probes find out that it carries nothing.
        transport: () => natsTransport({ servers, cluster: name, pingIntervalMs: 600_000 }),
        membership: natsMembership({ servers: memberServers, cluster: name, timing }),
        numShards,
      };

try {
  const app = await createApp({ ...place, nodeId, node: { weight }, actors: [work], health, logger: false });
  const call = (method, timeoutMs) => app.ref(Work, 'ada@example.org')[method](undefined, { timeoutMs });
  process.on('message', ({ hold, hang, blockMs }) => {
    if (hold) void call('hold', 20_000);
    if (hang) call('hang', 300).catch(() => undefined);
    if (blockMs) process.send({ isBlocked: true }, () => block(blockMs));
  });
} catch (error) {
  process.send({ code: error.code });
}

/** The callback of `send` runs before the loop takes up anything new. */
function block(ms) {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}
