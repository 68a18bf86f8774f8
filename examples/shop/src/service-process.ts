/** `node service-process.js inventory`: one process of a service. SIGTERM drains it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createApp, healthHandler } from '@clstr/app';
import { pino } from 'pino';
import { cart } from './cart/cart.ts';
import { inventory } from './inventory/inventory.ts';
import { order } from './order/order.ts';
import { reportReady, setting, shopCluster } from './shop-process.ts';
import { openStore } from './store.ts';

const ACTORS = { cart, inventory, order };

const service = process.argv[2] as keyof typeof ACTORS;
const nodeId = setting('NODE_ID');
const store = openStore(join(setting('DATA_DIR'), `${service}.db`));
const health = healthHandler();

// It answers before the app has started, and while it waits for NATS.
const probes = createServer(health.node).listen(Number(setting('PORT')), '127.0.0.1');
await once(probes, 'listening');
const { port } = probes.address() as AddressInfo;

const app = await createApp({
  cluster: shopCluster(),
  actors: [ACTORS[service]],
  services: { store },
  nodeId,
  node: { identity: 'exclusive' }, // no two processes have one name at a time, as in a StatefulSet
  logger: pino({ name: nodeId }),
  health,
  onClose: () => store.close(),
});
void app.closed.then(() => probes.close());
reportReady(`http://127.0.0.1:${port}`, () => app.close());
