/** A node publishes to inboxes only, whatever a message asks for: a hostile reply subject gets nothing. */
import type { Client, Node } from '@clstr/core';
import type { OutboundEntry } from '@clstr/core/wire';
import { createClient, createNode } from '@clstr/core';
import { FRAME_MAGIC, createFrameWriter, nodeAddress } from '@clstr/core/wire';
import { deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import type { NatsTransport } from '@clstr/transport-nats';
import { natsTransport } from '@clstr/transport-nats';
import type { NatsConnection } from 'nats';
import { connect } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

/** Subjects that another part of the system listens on, that are malformed, or that only resemble an inbox. */
const HOSTILE = [
  // JetStream and the server itself
  '$JS.API.STREAM.PURGE.ORDERS',
  '$JS.API.STREAM.DELETE.ORDERS',
  '$JS.API.STREAM.CREATE.X',
  '$JS.API.STREAM.MSG.DELETE.ORDERS',
  '$JS.API.CONSUMER.DELETE.ORDERS.c',
  '$JS.API.STREAM.LIST',
  '$JS.EVENT.ADVISORY.API',
  '$KV.bucket.key',
  '$O.bucket.C.chunk',
  '$SRV.PING',
  '$SYS.REQ.SERVER.PING',
  '$SYS.REQ.ACCOUNT.PING.CONNZ',
  '$JS._INBOX.a',
  // the cluster
  'clstr.shard.0',
  'clstr.shard.1',
  'clstr.shard.4294967295',
  'clstr.node.the-node.inc',
  'clstr._INBOX.a',
  // somebody's business
  'orders',
  'orders.created',
  'a',
  'a.b.c.d.e.f.g',
  '日本.ü',
  // wildcards
  '>',
  '*',
  '*.*',
  '_INBOX.>',
  '_INBOX.*',
  '_INBOX.a.>',
  '_INBOX.a.*',
  '_INBOX.a>b',
  '_INBOX.a*b',
  '_INBOX.ü',
  // almost an inbox
  '_INBOX',
  '_INBOX.',
  '_INBOX..a',
  '_INBOX.a.',
  '_INBOX.a..b',
  '._INBOX.a',
  '_inbox.a',
  '_INBOXES.a',
  '_INBOX_evil.a',
  '_INBOX-.a',
  'a._INBOX.b',
  '_INBOX/a',
  'INBOX.a',
  '__INBOX.a',
  '"_INBOX.a"',
  // too long to be one
  `_INBOX.${'a'.repeat(300)}`,
  `_INBOX${'.a'.repeat(200)}`,
];
/** What only the JSON body can carry: the NATS protocol has no way to write it. */
const HOSTILE_IN_JSON = [
  '_INBOX.a b',
  '_INBOX.a\tb',
  '_INBOX.a\r\nPUB orders 1\r\nx',
  '_INBOX.a\nb',
  '_INBOX.a\0',
  ' _INBOX.a',
  '_INBOX.a ',
  '\u2028',
  '_INBOX.\u007f',
  'orders 5\r\nhello',
];

describe.skipIf(!hasNatsServer())('a reply subject that is not an inbox', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
  });
  afterAll(() => server.stop());

  let transport: NatsTransport;
  let node: Node;
  let client: Client;
  let attacker: NatsConnection;
  let observer: NatsConnection;
  let handled: string[];
  /** Subjects of all messages that the observer saw, from the marker on. */
  let seen: string[];
  let onMarker: () => void;

  beforeEach(async () => {
    handled = [];
    seen = [];
    transport = await natsTransport({ servers: server.url });
    const handler = ({ type }: { type: string }): string => {
      handled.push(type);
      return 'reply';
    };
    node = createNode({ id: 'the-node', transport, numShards: 2, shards: [0, 1], handler });
    await node.start();
    client = createClient({ transport, numShards: 2 });
    attacker = await connect({ servers: server.url });
    observer = await connect({ servers: server.url });
    observer.subscribe('>', {
      callback: (_, { subject }) => {
        if (subject === 'marker') onMarker();
        else seen.push(subject);
      },
    });
    await observer.flush();
  });

  afterEach(async () => {
    await Promise.all([client.close(), node.close(), attacker.close(), observer.close()]);
    await transport.close();
  });

  /** Waits until the node has read all that was published before, and the observer has seen what came of it. */
  async function settle(): Promise<void> {
    await attacker.flush();
    // Behind the attack on the way to the node, and its reply behind any reply to the attack.
    expect(await client.requestShard(0, 'Barrier')).toBe('reply');
    await transport.serve(UNUSED, { onEntry() {}, onCancel() {} }, UNUSED); // returns once the server saw all
    const marker = deferred();
    onMarker = marker.resolve;
    attacker.publish('marker');
    await marker.promise;
  }

  /** All that was published, apart from what the attacker and the barrier published. */
  function publishedByNode(): string[] {
    const rest = seen.filter((subject) => subject !== 'clstr.shard.0');
    // The reply to the barrier, and perhaps the answer to the question that the client asked when it was created.
    const others = rest.filter((subject) => !/^_INBOX\.[A-Za-z0-9_-]{22}\.[a-z0-9]+$/.test(subject));
    expect(others.length).toBeLessThan(rest.length);
    return others;
  }

  test('that a native request asks for gets nothing published, and is counted', async () => {
    for (const reply of HOSTILE) attacker.publish('clstr.shard.0', request('Native'), { reply });
    await settle();
    expect(publishedByNode()).toEqual([]);
    expect(handled).toEqual(['Barrier']);
    expect(transport.stats.forbiddenReplySubjects).toBe(HOSTILE.length);
  });

  test('gets no refusal either: neither of an unknown version nor of a shard that it does not serve', async () => {
    const future = Uint8Array.of(FRAME_MAGIC, 99, 1, 2, 3);
    for (const reply of HOSTILE) {
      attacker.publish('clstr.shard.0', future, { reply });
      attacker.publish('clstr.shard.0', request('Elsewhere', 77), { reply });
    }
    await settle();
    expect(publishedByNode()).toEqual([]);
    expect(transport.stats.forbiddenReplySubjects).toBe(2 * HOSTILE.length);
  });

  test('that a JSON envelope asks for gets nothing published, and is counted', async () => {
    const all = [...HOSTILE, ...HOSTILE_IN_JSON];
    for (const replyTo of all) attacker.publish('clstr.shard.0', envelope({ reply_to: replyTo }));
    await settle();
    expect(publishedByNode()).toEqual([]);
    expect(handled).toEqual(['Barrier']);
    expect(transport.stats.forbiddenReplySubjects).toBe(all.length);
  });

  test('that a malformed JSON envelope asks for gets no refusal', async () => {
    const all = [...HOSTILE, ...HOSTILE_IN_JSON];
    for (const replyTo of all)
      attacker.publish('clstr.shard.0', envelope({ reply_to: replyTo, data: 'no base64' }));
    await settle();
    expect(publishedByNode()).toEqual([]);
    expect(transport.stats.malformed).toBe(all.length);
  });

  test('that NATS carries beside a JSON envelope gets nothing published, and is counted', async () => {
    const good = '_INBOX.somebody.1';
    for (const reply of HOSTILE) attacker.publish('clstr.shard.0', envelope({ reply_to: good }), { reply });
    await settle();
    expect(publishedByNode()).toEqual([]);
    expect(handled).toEqual(['Barrier']);
    expect(transport.stats.forbiddenReplySubjects).toBe(HOSTILE.length);
  });

  test('would have been seen: an inbox gets its reply, on either wire', async () => {
    attacker.publish('clstr.shard.0', request('Native'), { reply: '_INBOX.native.1' });
    attacker.publish('clstr.shard.0', envelope({ reply_to: '_INBOX.json.1' }));
    await settle();
    expect(new Set(publishedByNode())).toEqual(new Set(['_INBOX.native.1', '_INBOX.json.1']));
    expect(handled).toEqual(['Native', 'Json', 'Barrier']);
    expect(transport.stats.forbiddenReplySubjects).toBe(0);
  });
});

const UNUSED = nodeAddress('unused', 'unused')!;

/** A native request for a shard, as the one entry of a batch. */
function request(type: string, shard = 0): Uint8Array {
  const writer = createFrameWriter();
  const entry: OutboundEntry = {
    isNotify: false,
    attempt: ++attempts,
    shard,
    type,
    key: undefined,
    headers: undefined,
    payload: '{}',
    isRaw: false,
    remainingMs: () => 60_000,
  };
  writer.message(1, entry);
  return writer.take();
}
let attempts = 0;

function envelope(fields: object): string {
  return JSON.stringify({ shard: 0, type: 'Json', data: null, ...fields });
}
