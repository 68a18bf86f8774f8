/** What goes in comes out: values, bytes, nothing at all, and much of it. */
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';

export const payloads: Behaviours = {
  async 'carries every kind of JSON value both ways'(stage) {
    const seen: unknown[] = [];
    await stage.node(({ payload }) => {
      seen.push(payload);
      return payload;
    });
    const client = await stage.client();
    const values = ['', 0, -0.5, false, null, [], {}, 'a\0b', 'ü 日本 🦆', '\u2028', { a: [{ b: null }] }];
    for (const value of values) expect(await client.requestKey('k', 'Echo', value)).toStrictEqual(value);
    expect(seen).toStrictEqual(values);
  },

  async 'carries undefined both ways as undefined'(stage) {
    const seen: unknown[] = [];
    await stage.node(({ payload }) => {
      seen.push(payload);
    });
    const client = await stage.client();
    expect(await client.requestKey('k', 'Nothing')).toBeUndefined();
    expect(seen).toEqual([undefined]);
  },

  async 'carries bytes both ways as they are'(stage) {
    const seen: unknown[] = [];
    await stage.node(({ payload }) => {
      seen.push(payload);
      return payload;
    });
    const client = await stage.client();
    const bytes = Uint8Array.from({ length: 512 }, (_, i) => i);
    expect(new Uint8Array(await client.requestKey<Uint8Array>('k', 'Echo', bytes))).toEqual(bytes);
    expect(seen[0]).toBeInstanceOf(Uint8Array);
    expect(new Uint8Array(seen[0] as Uint8Array)).toEqual(bytes);
  },

  async 'carries an empty byte array as an empty byte array, not as undefined'(stage) {
    await stage.node(({ payload }) => {
      expect(payload).toEqual(new Uint8Array(0));
      return payload;
    });
    const client = await stage.client();
    expect(await client.requestKey('k', 'Echo', new Uint8Array(0))).toEqual(new Uint8Array(0));
  },

  async 'carries a large byte array both ways'(stage) {
    await stage.node(({ payload }) => payload);
    const client = await stage.client();
    const bytes = patterned(stage.subject.largePayloadBytes);
    const echoed = await client.requestKey<Uint8Array>('k', 'Echo', bytes);
    expect(Buffer.compare(echoed, bytes)).toBe(0);
  },

  async 'carries a large text both ways'(stage) {
    await stage.node(({ payload }) => payload);
    const client = await stage.client();
    const text = 'x'.repeat(stage.subject.largePayloadBytes - 6) + 'end!'; // and two quotes
    expect((await client.requestKey('k', 'Echo', text)) === text).toBe(true);
  },

  async 'sends the bytes as they are when the call is made, whatever the caller does to them next'(stage) {
    await stage.node(({ payload }) => payload);
    const client = await stage.client();
    const bytes = Uint8Array.of(1, 2, 3);
    const echoed = client.requestKey('k', 'Echo', bytes);
    bytes.fill(9);
    expect(await echoed).toEqual(Uint8Array.of(1, 2, 3));
  },

  async 'answers the bytes as they are when the handler returns, whatever it does to them next'(stage) {
    const shared = Uint8Array.of(0);
    await stage.node(({ payload }) => {
      shared[0] = payload as number;
      return shared;
    });
    const client = await stage.client();
    const replies = await Promise.all([1, 2, 3].map((value) => client.requestKey('k', 'Shared', value)));
    expect(replies).toEqual([Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)]);
  },

  async 'gives handler and caller bytes of their own, which later messages do not change'(stage) {
    const kept: Uint8Array[] = [];
    await stage.node(({ payload }) => {
      kept.push(payload as Uint8Array);
      return payload;
    });
    const client = await stage.client();
    const sent = Array.from({ length: 300 }, (_, i) => new Uint8Array(300).fill(i));
    const replies = [];
    for (const bytes of sent) replies.push(await client.requestKey<Uint8Array>('k', 'Echo', bytes));
    for (const [i, bytes] of sent.entries()) {
      expect(new Uint8Array(kept[i]!)).toEqual(bytes);
      expect(new Uint8Array(replies[i]!)).toEqual(bytes);
    }
  },
};

/** Bytes without a short period, so that a piece that was lost or moved shows. */
function patterned(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i ^ (i >> 8) ^ (i >> 16)) & 0xff;
  return bytes;
}
