/** New owners are announced on a real nats-server, and a peer that forges announcements gains nothing. */
import type { Client, Node, Transport } from '@clstr/core';
import { createClient, createNode } from '@clstr/core';
import { isTopologyAddress } from '@clstr/core/wire';
import { deferred } from '@clstr/testing';
import { altered } from '@clstr/testing/internal';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { natsMembership, natsTransport, provisionCluster } from '@clstr/transport-nats';
import type { NatsTransport } from '@clstr/transport-nats';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const NUM_SHARDS = 8;
const SUBJECT = 'clstr.topology.changes';

describe.skipIf(!hasNatsServer())('over nats-server', () => {
  let server: NatsServer;
  let raw: NatsConnection;
  let transports: NatsTransport[];
  let client: Client;
  let questions = 0;
  let onQuestion: () => void = () => undefined;
  const nodes: Node[] = [];

  const join = async (id: string): Promise<Node> => {
    const node = createNode({
      id,
      transport: transports[0]!,
      numShards: NUM_SHARDS,
      handler: () => id,
      membership: natsMembership({ servers: server.url, timing: 'fast' }),
    });
    nodes.push(node);
    await node.start();
    return node;
  };
  const untilAsked = (): Promise<void> =>
    new Promise((resolve) => {
      onQuestion = resolve;
    });
  const ownersOf = () =>
    Promise.all(Array.from({ length: NUM_SHARDS }, (_, n) => client.requestShard(n, 'Who')));

  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
    raw = await connect({ servers: server.url });
    transports = [await natsTransport({ servers: server.url }), await natsTransport({ servers: server.url })];
    await provisionCluster({ servers: server.url, numShards: NUM_SHARDS, isNew: true });
    await join('one');
    client = createClient({
      transport: counting(transports[1]!, () => {
        questions++;
        onQuestion();
      }),
      numShards: NUM_SHARDS,
      routing: 'topology',
      timeoutMs: 10_000,
    });
    expect(await ownersOf()).toEqual(new Array(NUM_SHARDS).fill('one'));
  });

  afterAll(async () => {
    await client.close();
    await Promise.all(nodes.map((node) => node.close()));
    await Promise.all(transports.map((transport) => transport.close()));
    await raw.close();
    await server.stop();
  });

  test('a node that takes shards announces itself, and clients ask', async () => {
    const announced = deferred<string>();
    raw.subscribe(SUBJECT, {
      callback: (_error, { data, reply = '' }) => {
        if (reply.startsWith('clstr.node.two.')) announced.resolve(`${data.length} ${reply}`);
      },
    });
    await raw.flush();
    await join('two');
    expect(await announced.promise).toMatch(/^0 clstr\.node\.two\.[A-Za-z0-9_-]{10}$/);
    await untilAsked();
    expect(new Set(await ownersOf())).toEqual(new Set(['one', 'two']));
  });

  test('10,000 forged ones make a client ask a few times, and believe nothing', async () => {
    const before = questions;
    const startMs = performance.now();
    const asked = untilAsked();
    const epochs = JSON.stringify({ clusterId: 'x', owners: [[0, 9_999, 'evil', 'x']] });
    for (let i = 0; i < 10_000; i++) {
      const reply = [undefined, 'clstr.node.evil.x', 'orders', '_INBOX.a'][i % 4];
      raw.publish(
        SUBJECT,
        i % 2 === 0 ? epochs : new Uint8Array(i % 1_000),
        reply === undefined ? {} : { reply },
      );
    }
    await raw.flush();
    expect((await ownersOf()).every((owner) => owner === 'one' || owner === 'two')).toBe(true);
    await asked;
    const askedAgain = untilAsked();
    raw.publish(SUBJECT);
    await askedAgain;
    const seconds = (performance.now() - startMs) / 1_000;
    expect(questions).toBeGreaterThan(before);
    expect(questions - before).toBeLessThanOrEqual(5 * seconds + 1);
    expect((await ownersOf()).every((owner) => owner === 'one' || owner === 'two')).toBe(true);
  });
});

/** The same transport, whose links say when they ask for the owners. */
function counting(transport: NatsTransport, onQuestion: () => void): Transport {
  return altered<Transport>(transport, {
    openLink: (options) => {
      const link = transport.openLink(options);
      return altered(link, {
        send: (to, entry, sink) => {
          if (isTopologyAddress(to)) onQuestion();
          link.send(to, entry, sink);
        },
      });
    },
  });
}
