import { describe, expect, test } from 'vitest';
import { nodeAddress } from '../../src/wire/address.ts';
import type { NodeAddress } from '../../src/wire/address.ts';

test('two tokens are an address', () => {
  expect(nodeAddress('n-1', 'A_0')).toEqual({ nodeId: 'n-1', inc: 'A_0' });
  expect(nodeAddress('x'.repeat(64), 'i')).toBeDefined();
});

describe.each([
  'x.y 0\r\n\r\nPUB admin.drop_table 5\r\nhello',
  '',
  ' ',
  'a b',
  'a.b',
  'a\n',
  '\na',
  'a\r',
  'a\0',
  'a*',
  '>',
  'ü',
  'a\u2028',
  'x'.repeat(65),
  undefined,
  null,
  7,
  true,
  ['a'],
  { toString: () => 'a' },
])('%j', (value) => {
  test('is not a valid part of an address', () => {
    expect(nodeAddress(value, 'i')).toBeUndefined();
    expect(nodeAddress('a', value)).toBeUndefined();
  });
});

test('a literal is not an address: only the check makes one', () => {
  // @ts-expect-error it was not checked
  const forged: NodeAddress = { nodeId: 'a', inc: 'i' };
  expect(forged).toBeDefined();
});
