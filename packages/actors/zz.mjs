import { actorHandler, defineActor, request } from '@clstr/actors';
import { createClient, createNode } from '@clstr/core';
import { memoryTransport } from '../transport-memory/dist/index.js';
const W = defineActor('w', { go: request(), hang: request() });
const w = W.implement({
  setup: () => null,
  handlers: { go: () => 1, hang: () => new Promise(() => {}) },
  mailbox: 1,
});
const transport = memoryTransport();
const node = createNode({
  transport,
  shards: Array.from({ length: 1024 }, (_, i) => i),
  handler: actorHandler([w]),
});
await node.start();
const client = createClient({ transport, timeoutMs: 300000 });
void W.ref(client, 'hot')
  .hang()
  .catch(() => 1);
void W.ref(client, 'hot')
  .hang()
  .catch(() => 1);
for (let round = 0; round < 3; round++)
  for (const key of ['cold', 'hot']) {
    const t = performance.now();
    for (let i = 0; i < 100; i++)
      await Promise.all(
        Array.from({ length: 1000 }, () =>
          W.ref(client, key)
            .go()
            .then(
              () => 1,
              () => 2,
            ),
        ),
      );
    console.log(key, ((performance.now() - t) / 100).toFixed(2), 'us per call');
  }
process.exit(0);
