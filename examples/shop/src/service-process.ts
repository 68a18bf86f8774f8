/** `node service-process.js inventory`: one process of a service. SIGTERM drains it. */
import { join } from 'node:path';
import { createApp } from '@clstr/app';
import type { Health } from '@clstr/app';
import Fastify from 'fastify';
import { pino } from 'pino';
import { cart } from './cart/cart.ts';
import { inventory } from './inventory/inventory.ts';
import { order } from './order/order.ts';
import { addProbes } from './probes.ts';
import { reportReady, setting, shopCluster } from './shop-process.ts';
import { openStore } from './store.ts';

const ACTORS = { cart, inventory, order };

const service = process.argv[2] as keyof typeof ACTORS;
const nodeId = setting('NODE_ID');
const store = openStore(join(setting('DATA_DIR'), `${service}.db`));
let health: (() => Health) | undefined;

// They answer before the app has started, and while it waits for NATS.
const probes = Fastify();
addProbes(probes, () => ({ isLive: health?.().state !== 'closed', isReady: health?.().isReady === true }));
const url = await probes.listen({ host: '127.0.0.1', port: Number(setting('PORT')) });

const app = await createApp({
  cluster: shopCluster(),
  actors: [ACTORS[service]],
  services: { store },
  nodeId,
  node: { identity: 'exclusive' }, // no two processes have one name at a time, as in a StatefulSet
  logger: pino({ name: nodeId }),
  onStarting: (given) => (health = given),
  onClose: () => store.close(),
});
void app.closed.then(() => probes.close());
reportReady(url, () => app.close());
