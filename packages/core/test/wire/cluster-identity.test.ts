import { describe, expect, test } from 'vitest';
import { identityOf, misfitWith } from '../../src/wire/cluster-identity.ts';
import { jsonCodec } from '../../src/wire/codec.ts';

const settings = { numShards: 16, seed: 's', codec: jsonCodec };
const place = { name: 'shop', prefix: 'shop' };
const own = identityOf(settings, place);

describe('a client and the nodes that answer it', () => {
  test('fit when all that both report is equal', () => {
    expect(misfitWith(own, JSON.parse(JSON.stringify(own)))).toBeUndefined();
  });

  test.each([undefined, null, 'shop', {}, { epoch: 1 }])(
    'fit when the nodes say %j: an earlier build',
    (answer) => {
      expect(misfitWith(own, answer)).toBeUndefined();
    },
  );

  test('are not compared in what one of them does not know', () => {
    const unnamed = identityOf(settings, { name: undefined, prefix: 'shop' });
    expect(misfitWith(unnamed, own)).toBeUndefined();
    expect(misfitWith(own, identityOf(settings, undefined))).toBeUndefined();
  });

  test.each([
    [identityOf({ ...settings, numShards: 32 }, place), 'numShards is 32 there and 16 here'],
    [
      identityOf({ ...settings, codec: { name: 'cbor' } }, place),
      'the codec is "cbor" there and "json" here',
    ],
    [identityOf(settings, { name: 'bank', prefix: 'shop' }), 'the cluster is "bank" there and "shop" here'],
    [identityOf(settings, { name: 'shop', prefix: 'p' }), 'the subject prefix is "p" there and "shop" here'],
  ])('do not fit when they differ, and the difference is named', (there, text) => {
    const misfit = misfitWith(own, there);
    expect(misfit).toMatchObject({
      code: 'CLUSTER_CONFIG_MISMATCH',
      outcome: 'not-executed',
      retryable: false,
    });
    expect(misfit?.message).toContain(text);
  });

  test('do not show their seeds', () => {
    const misfit = misfitWith(own, identityOf({ ...settings, seed: 'secret' }, place));
    expect(misfit?.message).toMatch(
      /the fingerprint of the seed is "[0-9a-f]{16}" there and "[0-9a-f]{16}" here/,
    );
    expect(JSON.stringify([own, misfit?.details])).not.toContain('secret');
  });
});
