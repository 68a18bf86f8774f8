/** Questions that a node answers by itself, by the thousand: a sender gets one answer for each message, or none. */
import type { Client, Node } from '@clstr/core';
import type { OutboundEntry } from '@clstr/core/wire';
import { createClient, createNode } from '@clstr/core';
import { createFrameWriter, nodeAddress } from '@clstr/core/wire';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import type { NatsTransport } from '@clstr/transport-nats';
import { natsTransport } from '@clstr/transport-nats';
import type { NatsConnection } from 'nats';
import { connect } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

describe.skipIf(!hasNatsServer())('1,000 questions for the owners', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNatsServer();
  });
  afterAll(() => server.stop());

  let transport: NatsTransport;
  let node: Node;
  let client: Client;
  let attacker: NatsConnection;
  let answers: string[];

  beforeEach(async () => {
    transport = await natsTransport({ servers: server.url });
    node = createNode({ transport, numShards: 2, shards: [0, 1], handler: () => 'reply' });
    await node.start();
    client = createClient({ transport, numShards: 2 });
    attacker = await connect({ servers: server.url });
    answers = [];
    attacker.subscribe('_INBOX.attacker.*', {
      callback: (_, message) => void answers.push(message.string()),
    });
    await attacker.flush();
    // The node's common subject is served behind its start.
    await ask('clstr.topology', batch(1), 1);
  });

  afterEach(async () => {
    await Promise.all([client.close(), node.close(), attacker.close()]);
    await transport.close();
  });

  /** How many answers came before a later message was answered. */
  async function ask(
    subject: string,
    data: Uint8Array | string,
    copies: number,
    reply = '_INBOX.attacker.1',
  ) {
    const before = answers.length;
    for (let i = 0; i < copies; i++) attacker.publish(subject, data, reply === '' ? {} : { reply });
    await attacker.flush();
    expect(await client.requestShard(0, 'Barrier')).toBe('reply');
    // Its reply left behind all that the node had to say.
    await transport.serve({ shard: 1_000 + ++served }, { onEntry() {}, onCancel() {} }, UNUSED);
    await attacker.flush();
    return answers.length - before;
  }

  test('in one message get one answer', async () => {
    expect(await ask('clstr.topology', batch(1_000), 1)).toBe(1);
  });

  test('get none without a reply subject, nor as notifies', async () => {
    expect(await ask('clstr.topology', batch(1_000), 1, '')).toBe(0);
    expect(await ask('clstr.topology', batch(1_000, true), 1)).toBe(0);
    const json = JSON.stringify({ shard: 0, type: 'clstr.topology', data: null });
    expect(await ask('clstr.topology', json, 10, '')).toBe(0);
  });

  test('get none on the subject of a shard, in either wire', async () => {
    expect(await ask('clstr.shard.0', batch(1_000), 1)).toBe(0);
    const json = JSON.stringify({ shard: 0, type: 'clstr.topology', reply_to: '_INBOX.attacker.2' });
    expect(await ask('clstr.shard.0', json, 10)).toBe(0);
  });
});

const UNUSED = nodeAddress('unused', 'unused')!;
let served = 0;

function batch(count: number, isNotify = false): Uint8Array {
  const writer = createFrameWriter();
  for (let i = 0; i < count; i++) {
    const entry: OutboundEntry = {
      isNotify,
      attempt: ++attempts,
      shard: 0,
      type: 'clstr.topology',
      key: undefined,
      headers: undefined,
      payload: 'null',
      isRaw: false,
      remainingMs: () => 60_000,
    };
    writer.message(1, entry);
  }
  return writer.take().slice();
}
let attempts = 0;
