import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { natsTransport } from '@clstr/transport-nats';
import { expect, test } from 'vitest';
import { createApp } from '../src/app.ts';
import { Greeter, createGreeter } from './greeter.ts';

test.skipIf(!hasNatsServer())('two apps over a real nats-server share the keys', async () => {
  const server = await startNatsServer();
  try {
    const nodeIds = ['left', 'right'];
    const start = (nodeId: string) =>
      createApp({
        transport: () => natsTransport({ servers: server.url }),
        actors: [createGreeter().actor],
        nodeId,
        nodeIds,
        numShards: 16,
      });
    await using left = await start('left');
    await using right = await start('right');
    const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`);
    const homes = await Promise.all(keys.map((key) => left.ref(Greeter, key).whereAreYou()));
    expect(new Set(homes)).toEqual(new Set(nodeIds));
    expect(await Promise.all(keys.map((key) => right.ref(Greeter, key).whereAreYou()))).toEqual(homes);
    expect(await right.ref(Greeter, 'key-0').greet({ name: 'you' })).toBe('hello from key-0, you');
  } finally {
    await server.stop();
  }
});

test.skipIf(!hasNatsServer())('an app does not start without its server', async () => {
  const starting = createApp({
    transport: () => natsTransport({ servers: '127.0.0.1:1' }),
    actors: [createGreeter().actor],
  });
  await expect(starting).rejects.toMatchObject({ code: 'CONNECT_FAILED' });
});
