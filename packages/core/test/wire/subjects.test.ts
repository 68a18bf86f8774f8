import type { Address } from '../../src/wire/transport.ts';
import { nodeAddress } from '../../src/wire/address.ts';
import { describe, expect, test } from 'vitest';
import { NodeAddressReader, isInbox, isPlainSubject, subjectOf } from '../../src/wire/subjects.ts';

test('a shard and a run of a node have a subject each, below the prefix', () => {
  expect(subjectOf('my.cluster', { shard: 7 })).toBe('my.cluster.shard.7');
  expect(subjectOf('my.cluster', nodeAddress('n1', 'x')!)).toBe('my.cluster.node.n1.x');
});

test.each([
  { nodeId: 'x 0\r\n\r\nPUB admin 0\r\n\r\n', inc: 'i' },
  { nodeId: 'a', inc: 'i\r\n' },
  { nodeId: 'a', inc: '' },
  { nodeId: 'a', inc: '*' },
  { nodeId: 'a'.repeat(300), inc: 'i' },
  { shard: '1 0\r\n' },
  { shard: NaN },
  { shard: -1 },
  { shard: 1e21 },
])('the address %j has no subject, however it was made', (forged) => {
  for (let i = 0; i < 2; i++) {
    expect(() => subjectOf('clstr', forged as unknown as Address)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', outcome: 'not-executed' }),
    );
  }
});

describe('a plain subject', () => {
  test.each(['a', 'a.b', '_INBOX.x-1', '$JS.API', 'a/b', 'x'.repeat(255)])('may be %s', (subject) => {
    expect(isPlainSubject(subject)).toBe(true);
  });

  test.each([
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'a b',
    'a\tb',
    '*',
    'a.*',
    '>',
    'a.>',
    'ü',
    'x'.repeat(256),
    'a\u007f',
  ])('is not %j', (subject) => {
    expect(isPlainSubject(subject)).toBe(false);
  });
});

test('an inbox is a plain subject below one of the prefixes', () => {
  const prefixes = ['_INBOX', 'my.inbox'];
  for (const subject of ['_INBOX.a', '_INBOX.a.b', 'my.inbox.c'])
    expect(isInbox(subject, prefixes)).toBe(true);
  for (const subject of ['_INBOX', '_INBOX.', '_INBOXa.b', '_INBOX.*', 'my.a', 'x._INBOX.a']) {
    expect(isInbox(subject, prefixes)).toBe(false);
  }
});

describe('reading direct subjects back', () => {
  test('gives the same object for equal subjects, in any order', () => {
    const reader = new NodeAddressReader('clstr');
    const a = reader.read('clstr.node.a.1');
    const b = reader.read('clstr.node.b.2');
    expect([a, b]).toEqual([nodeAddress('a', '1')!, nodeAddress('b', '2')!]);
    expect(reader.read('clstr.node.a.1')).toBe(a);
    expect(reader.read('clstr.node.a.1')).toBe(a);
    expect(reader.read('clstr.node.b.2')).toBe(b);
  });

  test.each([
    undefined,
    '',
    'clstr.shard.1',
    'other.node.a.1',
    'clstr.node.a',
    'clstr.node.a.1.2',
    'clstr.node..1',
    `clstr.node.${'x'.repeat(65)}.1`,
    'clstr.node.ü.1',
  ])('gives nothing for %s', (subject) => {
    const reader = new NodeAddressReader('clstr');
    expect(reader.read(subject)).toBeUndefined();
    expect(reader.read(subject)).toBeUndefined();
  });

  test('forgets all at 10,000, so that a hostile peer cannot fill the memory', () => {
    const reader = new NodeAddressReader('clstr');
    const first = reader.read('clstr.node.a.0');
    for (let i = 1; i < 10_000; i++) reader.read(`clstr.node.a.${i}`);
    expect(reader.read('clstr.node.a.0')).toBe(first);
    reader.read('clstr.node.a.10000');
    expect(reader.read('clstr.node.a.0')).not.toBe(first);
    expect(reader.read('clstr.node.a.0')).toEqual(first);
  });
});
