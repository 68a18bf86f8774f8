/** What goes into a message and comes out of it: headers, and several records in one. */
import { decodeText, encodeText } from '@clstr/core/internal';
import { describe, expect, test } from 'vitest';
import { bundle, unbundle } from '../src/bundle.ts';
import { KnownBases } from '../src/known-bases.ts';
import { decodeHead, encodeHead } from '../src/record-head.ts';

describe('the headers of a record', () => {
  test('say what it is, and make its write a compare-and-set', () => {
    const head = { isWhole: false, base: 5, previous: 9, bundled: 2, keyBytes: 300 };
    const bytes = encodeHead(head, 9);
    expect(decodeText(bytes)).toBe(
      'NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 9\r\nClstr-Whole: 0\r\nClstr-Base: 5\r\n' +
        'Clstr-Previous: 9\r\nClstr-Bundled: 2\r\nClstr-Key-Bytes: 300\r\n\r\n',
    );
    expect(decodeHead(decodeText(bytes))).toEqual(head);
  });

  test('are short where there is little to say', () => {
    const text = decodeText(encodeHead({ isWhole: true }, 0));
    expect(text).toBe('NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 0\r\nClstr-Whole: 1\r\n\r\n');
    expect(decodeHead(text)).toEqual({ isWhole: true, base: 0, previous: 0, bundled: 0, keyBytes: 0 });
  });

  test.each([
    'NATS/1.0\r\n\r\n',
    'NATS/1.0\r\nClstr-Whole: yes\r\n\r\n',
    'NATS/1.0\r\nClstr-Whole: 1\r\nClstr-Base: -1\r\n\r\n',
    'NATS/1.0\r\nClstr-Whole: 1\r\nClstr-Previous: x\r\n\r\n',
    'NATS/1.0\r\nClstr-Whole: 1\r\nClstr-Key-Bytes: 1.5\r\n\r\n',
    '',
  ])('that no store has written are not read: %j', (text) => {
    expect(decodeHead(text)).toBeUndefined();
  });
});

describe('a bundle', () => {
  const before = ['one', '', 'three'].map((text, i) => ({
    bytes: encodeText(text),
    isWhole: i === 0,
    revision: 2 ** 40 + i,
  }));
  const message = {
    bytes: bundle(before, { bytes: encodeText('four'), isWhole: false }),
    isWhole: false,
    revision: 7,
  };

  test('has all records, in order', () => {
    const four = { bytes: encodeText('four'), isWhole: false, revision: 7 };
    expect(unbundle(message, 3)).toEqual([...before, four]);
  });

  test('that is cut short has none', () => {
    for (let length = 0; length < 40; length++) {
      expect(unbundle({ ...message, bytes: message.bytes.subarray(0, length) }, 3)).toBeUndefined();
    }
    expect(unbundle(message, 4)).toBeUndefined();
  });
});

describe('known bases', () => {
  test('are those of the newest record alone', () => {
    const bases = new KnownBases();
    bases.set('a', 7, 3);
    expect([bases.get('a', 7), bases.get('a', 8), bases.get('b', 7)]).toEqual([3, undefined, undefined]);
  });

  test('are bounded: the longest unwritten is forgotten first', () => {
    const bases = new KnownBases(2);
    bases.set('a', 1, 1);
    bases.set('b', 2, 2);
    bases.set('a', 3, 1);
    bases.set('c', 4, 4);
    expect([bases.get('a', 3), bases.get('b', 2), bases.get('c', 4)]).toEqual([1, undefined, 4]);
  });
});
