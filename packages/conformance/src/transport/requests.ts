/** Requests and replies find each other, however many there are, and in the order that was promised. */
import { shardsForNode } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import { sendRaw } from './raw-entry.ts';

export const requests: Behaviours = {
  async 'answers 10,000 concurrent requests, each with its own reply'(stage) {
    await stage.node(({ key, payload }) => [key, payload]);
    const client = await stage.client({ timeoutMs: 30_000 });
    const answers = await Promise.all(
      Array.from({ length: 10_000 }, (_, i) => client.requestKey(`key-${i}`, 'Pair', i)),
    );
    expect(answers).toEqual(Array.from({ length: 10_000 }, (_, i) => [`key-${i}`, i]));
  },

  async 'keeps the replies of two clients on one transport apart'(stage) {
    await stage.node(async ({ payload }) => payload);
    const transport = await stage.transport();
    const [one, two] = [await stage.client({ transport }), await stage.client({ transport })];
    const echoes = (client: typeof one, name: string) =>
      Promise.all(Array.from({ length: 200 }, (_, i) => client.requestKey(`k${i}`, 'Echo', `${name}-${i}`)));
    const [ofOne, ofTwo] = await Promise.all([echoes(one, 'one'), echoes(two, 'two')]);
    expect(ofOne).toEqual(Array.from({ length: 200 }, (_, i) => `one-${i}`));
    expect(ofTwo).toEqual(Array.from({ length: 200 }, (_, i) => `two-${i}`));
  },

  async 'lets clients and nodes share one transport'(stage) {
    const transport = await stage.transport();
    await stage.node(({ payload }) => payload, { transport });
    const client = await stage.client({ transport });
    expect(await client.requestKey('k', 'Echo', 'home')).toBe('home');
  },

  async 'delivers every key to the one node that owns it'(stage) {
    const ids = ['a', 'b', 'c'];
    for (const id of ids) {
      const shards = shardsForNode(id, ids, stage.numShards);
      await stage.node(({ shard }, { nodeId }) => [nodeId, shard], { id, shards });
    }
    const client = await stage.client();
    const owner = (shard: number) =>
      ids.find((id) => shardsForNode(id, ids, stage.numShards).includes(shard));
    const keys = Array.from({ length: 200 }, (_, i) => `key-${i}`);
    const expected = keys.map((key) => [owner(stage.shardOf(key)), stage.shardOf(key)]);
    expect(new Set(expected.map(([id]) => id))).toEqual(new Set(ids));
    for (const round of ['before routes are learned', 'after']) {
      const answers = await Promise.all(keys.map((key) => client.requestKey(key, 'Who')));
      expect(answers, round).toEqual(expected);
    }
  },

  async 'answers as handlers end: a slow key delays no other key of its shard'(stage) {
    const [slow, quick] = stage.keysOfOneShard(2) as [string, string];
    const gate = deferred<string>();
    await stage.node(({ key }) => (key === slow ? gate.promise : 'quick'));
    const client = await stage.client();
    const slowAnswer = client.requestKey(slow, 'Get');
    expect(await client.requestKey(quick, 'Get')).toBe('quick');
    gate.resolve('slow');
    expect(await slowAnswer).toBe('slow');
  },

  async 'keeps the order in which one client sends to one key, requests and notifies alike'(stage) {
    const seen: unknown[] = [];
    await stage.node(({ payload }) => {
      seen.push(payload);
    });
    const client = await stage.client();
    for (let turn = 0; turn < 20; turn++) {
      const sent = [];
      for (let i = 0; i < 10; i++) {
        const send = i % 3 === 0 ? client.notifyKey('k', 'N', turn * 10 + i) : undefined;
        sent.push(send ?? client.requestKey('k', 'R', turn * 10 + i));
      }
      await Promise.all(sent);
    }
    await client.requestKey('k', 'Barrier', 200);
    expect(seen).toEqual(Array.from({ length: 201 }, (_, i) => i));
  },

  async 'carries requests of one turn that are together larger than one message'(stage) {
    await stage.node(({ payload }) => (payload as Uint8Array).length);
    const client = await stage.client();
    await client.requestKey('k', 'Learn', new Uint8Array(0));
    const size = Math.floor(stage.subject.maxPayload / 5);
    const lengths = Array.from({ length: 20 }, (_, i) => size + i);
    const answers = lengths.map((length) => client.requestKey('k', 'Length', new Uint8Array(length)));
    expect(await Promise.all(answers)).toEqual(lengths);
  },

  async 'carries replies of one turn that are together larger than one message'(stage) {
    await stage.node(({ payload }) => new Uint8Array(payload as number));
    const client = await stage.client();
    const size = Math.floor(stage.subject.maxPayload / 5);
    const lengths = Array.from({ length: 20 }, (_, i) => size + i);
    const answers = lengths.map((length) => client.requestKey<Uint8Array>('k', 'Make', length));
    expect((await Promise.all(answers)).map((bytes) => bytes.length)).toEqual(lengths);
  },

  async 'runs an attempt once, however often it arrives'(stage) {
    let handled = 0;
    await stage.node(() => {
      handled++;
    });
    const link = await stage.link(7);
    const twin = await stage.link(7);
    await sendRaw(link, { shard: 0, attempt: 1 });
    let repeated = false;
    void sendRaw(twin, { shard: 0, attempt: 1 }).then(() => (repeated = true));
    await sendRaw(twin, { shard: 0, attempt: 2 });
    expect(handled).toBe(2);
    expect(repeated).toBe(false);
  },
};
