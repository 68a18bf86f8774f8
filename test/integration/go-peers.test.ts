/** The Go implementation on the other side, played by hand over a plain NATS connection, in both roles. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { actorHandler, defineActor, request } from '@clstr/actors';
import type { Client, Handler, Node, NodeOptions } from '@clstr/core';
import { ActorError, bytesCodec, createClient, createNode } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import type { NatsTransport } from '@clstr/transport-nats';
import { natsTransport } from '@clstr/transport-nats';
import type { NatsConnection } from 'nats';
import { connect } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

interface GoEnvelope {
  readonly shard: number;
  readonly type: string;
  readonly data: string | null;
  readonly reply_to?: string;
  readonly headers?: Record<string, string>;
  readonly ttl_ms?: number;
  readonly created_at_ms?: number;
}

/** Printed by the Go client. */
const VECTORS = (
  JSON.parse(readFileSync(join(import.meta.dirname, '../vectors/clstr-go.json'), 'utf8')) as {
    envelopes: { envelope: GoEnvelope; json: string }[];
  }
).envelopes;

/** A cluster in which `user-123` lives in shard 63, as one of the vectors has it. */
const CLUSTER = { numShards: 104, seed: 'ü' };
/** `null` as JSON, in base64. */
const NULL = 'bnVsbA==';

describe.skipIf(!hasNatsServer())('over nats-server', () => {
  let server: NatsServer;
  let go: NatsConnection;
  let transport: NatsTransport;
  beforeAll(async () => {
    server = await startNatsServer();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    go = await connect({ servers: server.url });
    transport = await natsTransport({ servers: server.url, wire: 'json' });
  });
  afterEach(async () => {
    await Promise.all([go.close(), transport.close()]);
  });

  describe('a node here, asked by a Go client', () => {
    let node: Node;
    afterEach(() => node.close());

    async function startNode(handler: Handler, options: Partial<NodeOptions> = {}): Promise<void> {
      const shards = [0, 1, 2, 5, 63];
      node = createNode({ id: 'the-node', transport, ...CLUSTER, shards, handler, ...options });
      await node.start();
    }

    /** Publishes a text as the Go client does, and reads the reply as it does. */
    async function ask(shard: number, json: string, replyTo: string): Promise<Record<string, unknown>> {
      const reply = deferred<Record<string, unknown>>();
      const subscription = go.subscribe(replyTo, {
        max: 1,
        callback: (_, message) => {
          reply.resolve(message.json<Record<string, unknown>>());
        },
      });
      go.publish(`clstr.shard.${shard}`, json);
      const answer = await reply.promise;
      subscription.unsubscribe();
      return answer;
    }

    test.each(VECTORS)('gets $json', async ({ envelope, json }) => {
      const got = deferred<unknown>();
      await startNode(
        ({ shard, type, key, payload, headers, isNotify }) => {
          got.resolve({ shard, type, key, payload, headers: { ...headers }, isNotify });
          return Uint8Array.of(1);
        },
        { codec: bytesCodec },
      );
      const { 'x-clstr-key': key, ...headers } = envelope.headers ?? {};
      go.publish(`clstr.shard.${envelope.shard}`, json);
      expect(await got.promise).toEqual({
        shard: envelope.shard,
        type: envelope.type,
        key,
        headers,
        payload: envelope.data === null ? undefined : new Uint8Array(Buffer.from(envelope.data, 'base64')),
        isNotify: envelope.reply_to === undefined,
      });
    });

    test('answers it in the Go form, however long ago it was made', async () => {
      await startNode(({ payload }) => ({ n: (payload as { n: number }).n + 1 }));
      const { envelope, json } = VECTORS.find((vector) => vector.envelope.type === 'Add')!;
      expect(envelope.created_at_ms! + envelope.ttl_ms!).toBeLessThan(Date.now());
      const reply = await ask(envelope.shard, json, envelope.reply_to!);
      expect(reply).toEqual({ data: Buffer.from('{"n":2}').toString('base64') });
    });

    const PING = '{"shard":5,"type":"Ping","data":null,"reply_to":"_INBOX.go.1"}';

    test('answers no result with null, which a typed caller can decode', async () => {
      await startNode(() => undefined);
      expect(await ask(5, PING, '_INBOX.go.1')).toEqual({ data: NULL, no_value: true });
    });

    test('answers no result with no data where the codec is not JSON', async () => {
      await startNode(() => undefined, { codec: bytesCodec });
      expect(await ask(5, PING, '_INBOX.go.1')).toEqual({});
    });

    test('runs the actor whose method has the type that the Go client sends', async () => {
      const type = 'github.com/acme/app.Increment';
      const Counter = defineActor('counter', {
        add: request<{ by: number }, { n: number }>({ type }),
        get: request<void, number>(),
      });
      const state = { n: 1 };
      const counter = Counter.implement({
        setup: () => state,
        handlers: { add: (counted, { by }) => ({ n: (counted.n += by) }), get: ({ n }) => n },
      });
      await startNode(actorHandler([counter]));
      const headers = { 'x-clstr-key': 'user-123' };
      const data = Buffer.from('{"by":2}').toString('base64');
      const envelope = { shard: 63, type, data, reply_to: '_INBOX.go.1', headers };
      expect(await ask(63, JSON.stringify(envelope), '_INBOX.go.1')).toEqual({
        data: Buffer.from('{"n":3}').toString('base64'),
      });
      const client = createClient({ transport, ...CLUSTER });
      expect(await Counter.ref(client, 'user-123').add({ by: 4 })).toEqual({ n: 7 });
      expect(await Counter.ref(client, 'user-123').get()).toBe(7);
      await client.close();
    });

    test('answers a failure with its text in err, and the whole error beside it', async () => {
      await startNode(() => {
        throw new ActorError('NO_FUNDS', 'only 3 left', { left: 3 });
      });
      const reply = await ask(
        5,
        '{"shard":5,"type":"Take","data":"NQ==","reply_to":"_INBOX.go.1"}',
        '_INBOX.go.1',
      );
      expect(reply).toEqual({
        err: 'ACTOR_ERROR: only 3 left',
        error: {
          code: 'ACTOR_ERROR',
          message: 'only 3 left',
          outcome: 'executed',
          retryable: false,
          actorCode: 'NO_FUNDS',
          details: { left: 3 },
        },
      });
    });

    test('answers clstr.node.info in the Go form', async () => {
      await startNode(() => 'not asked');
      const json = '{"shard":5,"type":"clstr.node.info","data":null,"reply_to":"_INBOX.go.1"}';
      const { data } = await ask(5, json, '_INBOX.go.1');
      expect(JSON.parse(Buffer.from(data as string, 'base64').toString())).toEqual({
        node_id: 'the-node',
        shards: [0, 1, 2, 5, 63],
        // What follows is not of the Go form: its clients pass over it.
        inc: expect.any(String) as string,
        cluster: expect.objectContaining({ numShards: expect.any(Number) as number }) as object,
      });
    });

    test.each([
      ['is not JSON', '{"shard":5,'],
      ['is not an object', '[5]'],
      ['names another shard', '{"shard":1,"type":"A","data":null,"reply_to":"_INBOX.go.1"}'],
      ['has data that is not base64', '{"shard":5,"type":"A","data":"=x","reply_to":"_INBOX.go.1"}'],
      ['has a header that is not text', '{"shard":5,"type":"A","headers":{"a":1},"reply_to":"_INBOX.go.1"}'],
      ['has no type', '{"shard":5,"data":null,"reply_to":"_INBOX.go.1"}'],
    ])('refuses an envelope that %s, at its NATS reply subject or its reply_to', async (_, json) => {
      let handled = 0;
      await startNode(() => {
        handled++;
      });
      const reply = deferred<Record<string, unknown>>();
      go.subscribe('_INBOX.go.1', {
        callback: (__, message) => {
          reply.resolve(message.json<Record<string, unknown>>());
        },
      });
      go.publish('clstr.shard.5', json, { reply: '_INBOX.go.1' });
      expect(await reply.promise).toMatchObject({
        err: expect.stringMatching(/^INVALID_ENVELOPE: /) as string,
        error: { code: 'INVALID_ENVELOPE', outcome: 'not-executed' },
      });
      expect(handled).toBe(0);
    });
  });

  describe('a client here, served by a Go node', () => {
    let client: Client;
    /** What the Go node was asked, in order. */
    let asked: GoEnvelope[];
    let onAsked: () => void;
    beforeEach(() => {
      client = createClient({ transport, ...CLUSTER });
      asked = [];
      onAsked = () => {};
    });
    afterEach(() => client.close());

    /** A Go node for all shards that answers every envelope with this text. */
    async function answerWith(reply: string): Promise<void> {
      go.subscribe('clstr.shard.*', {
        callback: (_, message) => {
          const envelope = message.json<GoEnvelope>();
          expect(message.subject).toBe(`clstr.shard.${envelope.shard}`);
          asked.push(envelope);
          if (envelope.reply_to !== undefined && envelope.reply_to !== '')
            go.publish(envelope.reply_to, reply);
          onAsked();
        },
      });
      await go.flush();
    }

    test('asks in the Go form', async () => {
      await answerWith('{"data":"eyJuIjoyfQ=="}');
      const options = { headers: { 'trace-id': 'abc' }, timeoutMs: 5_000 };
      expect(await client.requestKey('user-123', 'Add', { n: 1 }, options)).toEqual({ n: 2 });
      const vector = VECTORS.find(({ envelope }) => envelope.type === 'Add')!.envelope;
      const { reply_to: replyTo, created_at_ms: createdAtMs, ttl_ms: ttlMs, ...rest } = asked[0]!;
      const { reply_to: _, created_at_ms: __, ttl_ms: ___, ...expected } = vector;
      expect(rest).toEqual(expected);
      expect(replyTo).toMatch(/^_INBOX\./);
      expect(ttlMs).toBeLessThanOrEqual(5_000);
      expect(ttlMs).toBeGreaterThan(4_000);
      expect(Math.abs(createdAtMs! - Date.now())).toBeLessThan(5_000);
    });

    test('asks a shard without a key and without a payload in the Go form', async () => {
      await answerWith('{}');
      await client.requestShard(0, 'Ping');
      const { shard, type, data, headers } = asked[0]!;
      expect({ shard, type, data, headers }).toEqual({
        shard: 0,
        type: 'Ping',
        data: NULL,
        headers: undefined,
      });
    });

    test.each(['{"data":null}', '{}', '{"data":""}', '{"data":null,"err":""}'])(
      'reads %s as a reply without a value',
      async (reply) => {
        await answerWith(reply);
        expect(await client.requestKey('k', 'Ping')).toBeUndefined();
      },
    );

    test('reads the bare text of an error as HANDLER_ERROR, outcome unknown', async () => {
      await answerWith('{"err":"user not found"}');
      await expect(client.requestKey('k', 'Get')).rejects.toMatchObject({
        code: 'HANDLER_ERROR',
        outcome: 'unknown',
        retryable: false,
        message: expect.stringContaining('user not found') as string,
      });
    });

    test.each(['not JSON', '[]', 'null', '{"data":"=="}', '{"data":5}', '{"data":"bm8gSlNPTg=="}'])(
      'reads %s as INVALID_ENVELOPE, executed',
      async (reply) => {
        await answerWith(reply);
        const error = { code: 'INVALID_ENVELOPE', outcome: 'executed', retryable: false };
        await expect(client.requestKey('k', 'Get')).rejects.toMatchObject(error);
      },
    );

    test('sends a notify without reply_to', async () => {
      const arrived = deferred();
      await answerWith('{}');
      onAsked = () => {
        arrived.resolve();
      };
      await client.notifyKey('user-123', 'Touch', 1);
      await arrived.promise;
      expect(asked).toHaveLength(1);
      expect(asked[0]).toMatchObject({ shard: 63, type: 'Touch', data: 'MQ==' });
      expect(asked[0]).not.toHaveProperty('reply_to');
    });

    test('asks who serves a shard', async () => {
      const info = Buffer.from('{"node_id":"go-node","shards":[1,2,3]}').toString('base64');
      await answerWith(`{"data":"${info}"}`);
      expect(await client.shard(1).nodeInfo()).toEqual({ nodeId: 'go-node', shards: [1, 2, 3] });
      expect(asked[0]).toMatchObject({ shard: 1, type: 'clstr.node.info' });
    });
  });
});
