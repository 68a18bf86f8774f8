/** `npm run example:shop`: the shop as processes over a real nats-server, under load, with a crash and a restart. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startNatsServer } from '@clstr/testing/nats';
import { provisionCluster } from '@clstr/transport-nats';
import { audit } from './run/audit.ts';
import { runLoad, send } from './run/load.ts';
import { startProcess } from './run/processes.ts';
import type { Running } from './run/processes.ts';
import { CLUSTER } from './shop-process.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '20' } } });
const seconds = Number(values.seconds);
const SERVICES = ['cart', 'inventory', 'order'];
const NODE_IDS = SERVICES.flatMap((service) => [1, 2, 3].map((n) => `${service}-${n}`));
const NUM_SHARDS = 128;
const CUSTOMERS = 32;
const SKUS = Array.from({ length: 40 }, (_, index) => `sku-${index}`);
/** Of each product: the popular ones are sold out before the end. */
const STOCK = Math.ceil(seconds * 2);

const folder = mkdtempSync(join(tmpdir(), 'clstr-shop-'));
const processes = new Map<string, Running>();
const nats = await startNatsServer({ args: ['-js'] });
try {
  process.exitCode = (await run()) ? 0 : 1;
} finally {
  await endAll();
  await nats.stop();
  if (process.exitCode === 0) rmSync(folder, { recursive: true });
  else console.log(`logs and databases: ${folder}`);
}

async function run(): Promise<boolean> {
  for (const service of SERVICES) {
    await provisionCluster({
      servers: nats.url,
      cluster: CLUSTER,
      service,
      numShards: NUM_SHARDS,
      isNew: true,
    });
  }
  await Promise.all([...NODE_IDS, 'gateway'].map(start));
  const { url } = processes.get('gateway')!;
  const errors = { httpErrors: 0 };
  await Promise.all(SKUS.map((sku) => send(`${url}/inventory/${sku}`, { total: STOCK }, errors)));
  console.log(`${NODE_IDS.join(', ')} and a gateway at ${url}`);

  const load = runLoad(url, {
    customers: CUSTOMERS,
    skus: SKUS,
    untilMs: performance.now() + seconds * 1_000,
  });
  await disturb();
  const { confirmed, soldOut, unanswered, httpErrors } = await load;
  await endAll();
  const { total, sold, oversold, missing, unreserved } = audit(folder, confirmed);
  console.log(
    `orders: ${confirmed.size} confirmed, ${soldOut} sold out, ${unanswered} unanswered, ${unreserved} lines unreserved`,
  );
  const counts = `oversold ${oversold}, confirmed orders missing ${missing}, HTTP errors ${httpErrors + errors.httpErrors}`;
  console.log(`sold ${sold} of ${total}, ${counts}`);
  return total === STOCK * SKUS.length && sold > 0 && unanswered + oversold + missing + unreserved === 0;
}

async function disturb(): Promise<void> {
  await pause(seconds * 200);
  console.log('SIGKILL inventory-1');
  await processes.get('inventory-1')!.end('SIGKILL');
  await pause(seconds * 200);
  console.log('SIGTERM order-2, and a new start');
  await processes.get('order-2')!.end('SIGTERM');
  await start('order-2');
}

async function start(nodeId: string): Promise<void> {
  processes.set(nodeId, await startProcess(nodeId, nats.url, folder));
}

async function endAll(): Promise<void> {
  await Promise.all([...processes.values()].map((running) => running.end('SIGTERM')));
}
