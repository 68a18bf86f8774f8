/** What a flood leaves in a node that it was sent to, with the rights of a client: nothing, once it is over. */
import type { Node } from '@clstr/core';
import type { OutboundEntry } from '@clstr/core/wire';
import { createNode, shardFromString } from '@clstr/core';
import { createFrameWriter } from '@clstr/core/wire';
import { deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { natsTransport } from '@clstr/transport-nats';
import type { NatsTransport } from '@clstr/transport-nats';
import type { NatsConnection } from 'nats';
import { connect } from 'nats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { memoryAfterCollection } from './garbage.ts';

const NUM_SHARDS = 16;
const KEY = 'k';
const SHARD = shardFromString(KEY, NUM_SHARDS);
const MB = 1_048_576;

const entry = (fields: Partial<OutboundEntry>): OutboundEntry => ({
  isNotify: false,
  attempt: 1,
  shard: SHARD,
  type: 'Echo',
  key: KEY,
  headers: undefined,
  payload: '1',
  isRaw: false,
  remainingMs: () => 60_000,
  ...fields,
});

function frame(clientId: number, ...entries: Partial<OutboundEntry>[]): Uint8Array {
  const writer = createFrameWriter();
  for (const fields of entries) writer.message(clientId, entry(fields));
  return writer.take();
}

/** The batch, and behind it so many bytes that no reader knows. */
function padded(batch: Uint8Array, bytes: number): Uint8Array {
  const whole = new Uint8Array(batch.length + 5 + bytes);
  whole.set(batch);
  whole[batch.length] = 99;
  new DataView(whole.buffer).setUint32(batch.length + 1, bytes);
  return whole;
}

describe.skipIf(!hasNatsServer())('a node', () => {
  let server: NatsServer;
  let transport: NatsTransport;
  let node: Node;
  let peer: NatsConnection;
  let gate = deferred();

  beforeEach(async () => {
    server = await startNatsServer();
    transport = await natsTransport({ servers: server.url });
    gate = deferred();
    node = createNode({
      id: 'n1',
      transport,
      numShards: NUM_SHARDS,
      shards: [SHARD],
      maxKeyBytes: 65_535,
      handler: ({ type, payload }) =>
        type === 'Wait' ? gate.promise : type === 'Grow' ? 'x'.repeat(20_000) : payload,
    });
    await node.start();
    peer = await connect({ servers: server.url });
  });
  afterEach(async () => {
    gate.resolve();
    await peer.close();
    await node.close();
    await transport.close();
    await server.stop();
  });

  const subject = `clstr.shard.${SHARD}`;

  /** Resolves when the node has read all that was published before. */
  async function settle(): Promise<void> {
    await peer.request(subject, frame(0, {}), { timeout: 10_000 });
  }

  async function flood(count: number, publish: (i: number) => void): Promise<number> {
    await settle();
    const before = memoryAfterCollection();
    for (let i = 0; i < count; i++) {
      publish(i);
      if (i % 20 === 19) await settle();
    }
    await settle();
    return memoryAfterCollection() - before;
  }

  test('keeps no slab for each inbox that it has answered', async () => {
    const grown = await flood(1_000, (i) => {
      peer.publish(subject, frame(0, { type: 'Grow' }), { reply: `_INBOX.web.r${i}.1` });
    });
    expect(grown).toBeLessThan(8 * MB);
  });

  test('keeps little for each client id that an inbox makes up', async () => {
    const attempts = Array.from({ length: 65 }, (_, j) => ({ attempt: j + 1 }));
    const grown = await flood(1_024, (i) => {
      peer.publish(subject, frame(i + 1, ...attempts), { reply: `_INBOX.web.x${i}.1` });
    });
    expect(grown).toBeLessThan(8 * MB);
  });

  test('remembers no key that was sent to another shard', async () => {
    const grown = await flood(600, (i) => {
      const keys = Array.from({ length: 4 }, (_, j) => ({ key: `${i}-${j}-`.padEnd(16_000, 'x') }));
      peer.publish(subject, frame(0, ...keys), { reply: '_INBOX.web.x.1' });
    });
    expect(grown).toBeLessThan(8 * MB);
  });

  test.each([true, false])(
    'pins no message for a payload of a byte while its handler runs (raw: %s)',
    async (isRaw) => {
      const payload = isRaw ? new Uint8Array([1]) : '"a text that is cut out of a longer one"';
      const grown = await flood(isRaw ? 60 : 600, (i) => {
        const batch = frame(7, { attempt: i + 1, type: 'Wait', payload, isRaw });
        peer.publish(subject, padded(batch, isRaw ? 1_000_000 : 60_000), { reply: '_INBOX.web.x.1' });
      });
      expect(node.inFlight).toBe(isRaw ? 60 : 600);
      expect(grown).toBeLessThan(8 * MB);
    },
  );
});
