/** Headers and message types: carried as given, and the framework's own names refused at both ends. */
import { bytesCodec } from '@clstr/core';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import { expectError, expectFailure } from '../failure.ts';
import { sendRaw } from './raw-entry.ts';

const RESERVED = ['x-clstr-key', 'X-Clstr-Anything', 'x-clstr-'];

export const headersAndTypes: Behaviours = {
  async 'carries headers of any name and value, "__proto__" included'(stage) {
    await stage.node(({ headers }) => Object.entries(headers));
    const client = await stage.client();
    const sent = {
      'trace-id': '00-ab',
      'Trace-Id': 'other case',
      empty: '',
      'ü 日本': '🦆',
      'a.b': 'c: d',
      ['__proto__']: 'text',
      constructor: 'c',
    };
    const entries = Object.entries(sent);
    expect(entries).toHaveLength(7);
    expect(await client.requestKey('k', 'Headers', null, { headers: sent })).toEqual(entries);
    expect(({} as Record<string, unknown>)['text']).toBeUndefined();
  },

  async 'carries the headers of the client with those of the call, which win'(stage) {
    await stage.node(({ headers }) => headers);
    const client = await stage.client({ headers: { app: 'a', 'trace-id': 'client' } });
    const headers = await client.requestKey('k', 'Headers', null, { headers: { 'trace-id': 'call' } });
    expect(headers).toEqual({ app: 'a', 'trace-id': 'call' });
    expect(await client.requestKey('k', 'Headers')).toEqual({ app: 'a', 'trace-id': 'client' });
  },

  async 'carries the trace context and the baggage that spans give to a call, and spans of the node replace'(
    stage,
  ) {
    const sent = {
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      tracestate: 'vendor=00f067aa0ba902b7,other=t61rcWkgMzE',
      baggage: 'user=ada%20l;level=2,tenant=acme',
    };
    const seen: unknown[] = [];
    const ended = (): void => undefined;
    const own = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01' };
    await stage.node(({ headers }) => headers, {
      tracing: {
        startHandler: ({ headers }) => {
          seen.push(headers);
          return { headers: { ...headers, ...own }, ended };
        },
      },
    });
    const client = await stage.client({ tracing: { startCall: () => ({ headers: sent, ended }) } });
    expect(await client.requestKey('k', 'Headers')).toEqual({ ...sent, ...own });
    expect(seen).toEqual([sent]);
  },

  async 'carries idempotency keys: a repeat gets the first reply, another call with the key a refusal'(
    stage,
  ) {
    let runs = 0;
    await stage.node(({ headers }) => [++runs, Object.keys(headers)]);
    const [client, another] = [await stage.client(), await stage.client()];
    const keyed = { idempotencyKey: 'order-17: "ä"' };
    expect(await client.requestKey('k', 'Charge', 5, keyed)).toEqual([1, []]);
    expect(await client.requestKey('k', 'Charge', 5, keyed)).toEqual([1, []]);
    expect(await another.requestKey('k', 'Charge', 5, keyed)).toEqual([1, []]);
    await expect(another.requestKey('k', 'Charge', 6, keyed)).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
      outcome: 'not-executed',
    });
  },

  async 'refuses a reserved header at the client'(stage) {
    let handled = 0;
    await stage.node(() => {
      handled++;
    });
    const client = await stage.client();
    for (const name of RESERVED) {
      const options = { headers: { [name]: 'v' } };
      await expectFailure(
        client.requestKey('k', 'Headers', null, options),
        'RESERVED_HEADER',
        'not-executed',
      );
      await expectFailure(client.notifyKey('k', 'Headers', null, options), 'RESERVED_HEADER', 'not-executed');
    }
    await client.requestKey('k', 'Barrier');
    expect(handled).toBe(1);
  },

  async 'refuses a reserved header at the node, when a peer sends one that no client would'(stage) {
    let handled = 0;
    await stage.node(() => {
      handled++;
    });
    const link = await stage.link();
    for (const name of ['x-clstr-anything', 'X-CLSTR-KEY']) {
      const { error } = await sendRaw(link, { shard: 0, headers: { [name]: 'v' } });
      expectError(error, 'RESERVED_HEADER', 'not-executed');
    }
    expect(handled).toBe(0);
  },

  async 'refuses a message type of the framework at the client'(stage) {
    let handled = 0;
    await stage.node(() => {
      handled++;
    });
    const client = await stage.client();
    for (const type of ['clstr.node.info', 'clstr.', 'clstr.anything', '', 'a\nb', 'x'.repeat(256)]) {
      await expectFailure(client.requestKey('k', type), 'INVALID_ENVELOPE', 'not-executed');
      await expectFailure(client.notifyShard(0, type), 'INVALID_ENVELOPE', 'not-executed');
    }
    await client.requestKey('k', 'Barrier');
    expect(handled).toBe(1);
  },

  async 'answers an unknown type of the framework with UNKNOWN_TYPE, without calling the handler'(stage) {
    let handled = 0;
    await stage.node(() => {
      handled++;
    });
    const link = await stage.link();
    const { error } = await sendRaw(link, { shard: 0, type: 'clstr.node.shutdown' });
    expectError(error, 'UNKNOWN_TYPE', 'not-executed');
    expect(handled).toBe(0);
  },

  async 'answers a payload that cannot be decoded with INVALID_ENVELOPE, without calling the handler'(stage) {
    let handled = 0;
    await stage.node(() => {
      handled++;
    });
    const link = await stage.link();
    for (const payload of ['{"a":', Uint8Array.of(0xff)]) {
      const { error } = await sendRaw(link, { shard: 0, payload, isRaw: false });
      expectError(error, 'INVALID_ENVELOPE', 'not-executed');
    }
    expect(handled).toBe(0);
  },

  async 'carries a message type of any text'(stage) {
    await stage.node(({ type }) => type);
    const client = await stage.client();
    for (const type of ['Get', 'counter.add', 'ü 日本 🦆', '*', '>', '__proto__', 'x'.repeat(255)]) {
      expect(await client.requestKey('k', type)).toBe(type);
    }
  },

  async 'answers who serves a shard, and what else it serves'(stage) {
    await stage.node(() => 'not asked', { id: 'the-node', shards: [3, 1, 11] });
    const client = await stage.client();
    expect(await client.shard(1).nodeInfo()).toEqual({ nodeId: 'the-node', shards: [1, 3, 11] });
  },

  async 'answers who serves a shard in JSON, whatever the codec of the application'(stage) {
    await stage.node(({ payload }) => payload, { id: 'the-node', shards: [1], codec: bytesCodec });
    const client = await stage.client({ codec: bytesCodec });
    expect(await client.shard(1).nodeInfo()).toEqual({ nodeId: 'the-node', shards: [1] });
    expect(await client.shard(1).request('Echo', Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2));
  },
};
