/** The program of a child process: one node over NATS. Arguments: the server, the work as JSON. */
import { natsTransport } from '@clstr/transport-nats';
import { serve } from './serving.ts';
import type { Served, Work } from './serving.ts';

export type ToNode = 'read' | 'close';
export type FromNode = { readonly kind: 'ready' } | ({ readonly kind: 'served' } & Served);

const [servers, work] = process.argv.slice(2) as [string, string];
const report = (message: FromNode): void => {
  process.send!(message);
};

process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
const transport = await natsTransport({ servers });
const [node, served] = await serve(transport, JSON.parse(work) as Work);
process.on('message', (order: ToNode) => {
  if (order === 'read') report({ kind: 'served', ...served() });
  else void close();
});
report({ kind: 'ready' });

async function close(): Promise<void> {
  await node.close();
  await transport.close();
  process.exit(0);
}
