/** `node gateway-process.js`: the gateway, until SIGTERM. */
import { connectClient, healthHandler } from '@clstr/app';
import { pino } from 'pino';
import { createGateway } from './gateway.ts';
import { reportReady, setting, shopCluster } from './shop-process.ts';

const logger = pino({ name: 'gateway' });
const health = healthHandler();
// Longer than a failover, so that calls outlast the crash of a node: all of them are idempotent.
const client = await connectClient({ cluster: shopCluster(), timeoutMs: 15_000, health, logger });
const gateway = createGateway(client, health, logger);
const close = async (): Promise<void> => {
  await gateway.close();
  await client.close();
};
process.once('SIGTERM', () => void close());
reportReady(await gateway.listen({ host: '127.0.0.1', port: Number(setting('PORT')) }), close);
