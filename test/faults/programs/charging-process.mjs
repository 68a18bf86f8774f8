// A node whose handler writes down each run in a file before it replies: what a killed process has written stays.
// Argument: its order, as JSON. It drains on SIGTERM.
import { appendFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { ActorError, createNode } from '@clstr/core';
import { natsMembership, natsTransport } from '@clstr/transport-nats';

const { id, servers, numShards, file } = JSON.parse(process.argv[2]);

/** Every tenth operation fails, every third takes a while, so that repeats come while it runs. */
async function charge({ payload: operation }) {
  const run = randomUUID();
  appendFileSync(file, `${operation} ${run}\n`);
  if (operation % 3 === 0) await setTimeout(Math.random() * 40);
  if (operation % 10 === 0) throw new ActorError('DECLINED', run);
  return run;
}

const transport = await natsTransport({ servers, name: id, pingIntervalMs: 500 });
const node = createNode({
  id,
  transport,
  numShards,
  membership: natsMembership({ servers, timing: 'fast', allowUnsafeServer: true }),
  handler: charge,
});
process.once('SIGTERM', async () => {
  await node.drain();
  await transport.close();
  process.exit();
});
process.once('disconnect', () => process.exit());
await node.start();
process.send({ isReady: true });
