/** Two nodes in one process under load. Their metrics are read every second, as Prometheus would, and shown as text. */
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createApp } from '@clstr/app';
import { prometheusMetrics } from '@clstr/prometheus';
import { memoryCluster } from '@clstr/transport-memory';
import { cart } from './cart.ts';
import { dashboard } from './dashboard.ts';
import { startLoad } from './load.ts';
import { Reading } from './reading.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '4' }, port: { type: 'string' } },
});

const metrics = prometheusMetrics();
const cluster = memoryCluster({ numShards: 64, timing: 'fast' });
const start = (nodeId: string) => createApp({ cluster, actors: [cart], nodeId, metrics, logger: false });

await using one = await start('one');
if (values.port !== undefined) {
  const page = createServer((_request, response) => {
    void one.metrics().then((text) => response.setHeader('content-type', metrics.contentType).end(text));
  });
  page.listen(Number(values.port)).unref();
}
const load = startLoad(one);
await using _two = await start('two'); // takes half of the shards, and the actors move with them

let before = new Reading(await one.metrics(), performance.now());
for (let second = 0; second < Number(values.seconds); second++) {
  await pause(1_000);
  const now = new Reading(await one.metrics(), performance.now());
  console.log(dashboard(before, now));
  before = now;
}
await load.stop();
await metrics.close();
