/** Keys: any text is one, hostile or not, and each has one home. */
import { defaults } from '@clstr/core';
import type { ClstrError } from '@clstr/core';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import { expectError, expectFailure } from '../failure.ts';
import { sendRaw } from './raw-entry.ts';

const UNICODE = ['ü', 'u\u0308', '日本', '🦆', '\u202Eabc', 'İ', 'ß', 'a\u200Bb'];
/** Subjects, wildcards, headers, paths, and names that objects have. */
const HOSTILE = [
  '.',
  '..',
  '*',
  '>',
  'a.*',
  'a.>',
  '$JS.API.STREAM.PURGE.x',
  '_INBOX.x',
  ' ',
  ' a ',
  '\t',
  '\r\n',
  '\0',
  'a\0b',
  'PUB x 1\r\na',
  '__proto__',
  'constructor',
  'toString',
  '/',
  '../..',
  '"',
  '{}',
  '%00',
];

/** The words with which an error names a shard. */
function nameOf({ message }: ClstrError): string | undefined {
  return /shard\W{0,3}\d+/.exec(message)?.[0];
}

export const keys: Behaviours = {
  async 'delivers unicode keys unchanged, each distinct from its look-alikes'(stage) {
    await stage.node(({ key }) => key);
    const client = await stage.client();
    for (const key of UNICODE) expect(await client.requestKey(key, 'WhoAmI')).toBe(key);
  },

  async 'delivers keys that look like subjects, wildcards or prototypes unchanged'(stage) {
    await stage.node(({ key }) => key);
    const client = await stage.client();
    for (const key of HOSTILE) expect(await client.requestKey(key, 'WhoAmI')).toBe(key);
  },

  async 'carries a key of exactly 1 KiB and refuses one byte more'(stage) {
    let handled = 0;
    await stage.node(({ key }) => {
      handled++;
      return key;
    });
    const client = await stage.client();
    const longest = 'ü'.repeat(defaults.maxKeyBytes / 2);
    expect(await client.requestKey(longest, 'WhoAmI')).toBe(longest);
    await expectFailure(client.requestKey(`${longest}x`, 'WhoAmI'), 'INVALID_ENVELOPE', 'not-executed');
    await expectFailure(client.notifyKey('x'.repeat(10_000), 'WhoAmI'), 'INVALID_ENVELOPE', 'not-executed');
    expect(handled).toBe(1);
  },

  async 'refuses an empty key, half a surrogate pair and a key that is not a string as KEY_REQUIRED'(stage) {
    let handled = 0;
    await stage.node(() => {
      handled++;
    });
    const client = await stage.client();
    for (const key of ['', '\ud800', 'a\udfff', 5, null, undefined] as string[]) {
      await expectFailure(client.requestKey(key, 'WhoAmI'), 'KEY_REQUIRED', 'not-executed');
      await expectFailure(client.notifyKey(key, 'WhoAmI'), 'KEY_REQUIRED', 'not-executed');
    }
    await client.requestShard(0, 'Barrier');
    expect(handled).toBe(1);
  },

  async 'refuses a bad key at the node too, when a peer sends one that no client would'(stage) {
    let handled = 0;
    await stage.node(() => {
      handled++;
    });
    const link = await stage.link();
    const long = await sendRaw(link, { shard: 0, key: 'x'.repeat(10_000) });
    expectError(long.error, 'INVALID_ENVELOPE', 'not-executed');
    const empty = await sendRaw(link, { shard: 0, key: '' });
    expectError(empty.error, 'KEY_REQUIRED', 'not-executed');
    expect(handled).toBe(0);
  },

  async 'reaches a shard without a key'(stage) {
    await stage.node(({ key, shard }) => [key === undefined, shard]);
    const client = await stage.client();
    expect(await client.requestShard(7, 'WhoAmI')).toEqual([true, 7]);
    expect(await client.shard(9).request('WhoAmI')).toEqual([true, 9]);
  },

  async 'refuses a key whose home is another shard as CLUSTER_CONFIG_MISMATCH'(stage) {
    let handled = 0;
    await stage.node(() => {
      handled++;
    });
    // A client that follows its cluster compares itself with it, and may end the call before the node does.
    const stranger = await stage.client({ numShards: stage.numShards / 2, routing: 'static' });
    const key = Array.from({ length: 100 }, (_, i) => `key-${i}`).find((k) => stage.shardOf(k) >= 8)!;
    const error = await expectFailure(
      stranger.requestKey(key, 'WhoAmI'),
      'CLUSTER_CONFIG_MISMATCH',
      'not-executed',
    );
    // A caller that does not know where a key lives does not learn it from a refusal.
    expect([nameOf(error), error.details]).toEqual([undefined, undefined]);
    expect(handled).toBe(0);
  },

  async 'names no shard in an error that ends a call: it may be passed on to another process'(stage) {
    await stage.node(() => new Promise<never>(() => undefined), { handlerTimeoutMs: 100 });
    const client = await stage.client();
    const link = await stage.link();
    const hung = await Promise.all([
      expectFailure(client.requestKey('k', 'Hang'), 'HANDLER_TIMEOUT', 'unknown'),
      expectFailure(client.requestKey('k', 'Hang', null, { timeoutMs: 20 }), 'TIMEOUT', 'unknown'),
      expectFailure(client.requestShard(5, 'Hang', null, { timeoutMs: 20 }), 'TIMEOUT', 'unknown'),
      expectFailure(
        client.requestKey('k', 'Hang', null, { signal: AbortSignal.timeout(20) }),
        'ABORTED',
        'unknown',
      ),
      sendRaw(link, { shard: 17 }).then(({ error }) => error!),
    ]);
    expect(hung.map(nameOf)).toEqual(hung.map(() => undefined));
  },

  async 'names no shard in the refusal of a node that does not serve it'(stage) {
    await stage.node(() => 'here', { shards: [1] });
    const link = await stage.link();
    const { from } = await sendRaw(link, { shard: 1 });
    for (const to of [from, undefined])
      expect(nameOf((await sendRaw(link, { shard: 7 }, to)).error!)).toBe(undefined);
  },
};
