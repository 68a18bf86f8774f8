import { describe, expect, test } from 'vitest';
import { Ticket, chainTo, decodeCallChain, encodeCallChain, heldBy } from '../../src/wire/call-chain.ts';
import { systemRandom } from '../../src/base/random.ts';

const ticket = () => new Ticket(systemRandom);

describe('the chain of a call', () => {
  test('shows its links only, and carries the tickets of all nodes it came through', () => {
    const [first, second, third] = [ticket(), ticket(), ticket()];
    const one = encodeCallChain(chainTo(heldBy(first), 'a/1'));
    const atSecond = decodeCallChain(one, second);
    expect([...atSecond]).toEqual(['a/1']);
    const two = encodeCallChain(chainTo(atSecond, 'b/2'));
    expect([...decodeCallChain(two, third)]).toEqual(['a/1', 'b/2']);
    expect([first, second, third].map((one) => one.isIn(two))).toEqual([true, true, false]);
  });

  test('carries the ticket of a node once, however often it passes there', () => {
    const own = ticket();
    let header = encodeCallChain(chainTo(heldBy(own), 'a/0'));
    const { length } = header;
    for (let i = 1; i < 9; i++) header = encodeCallChain(chainTo(decodeCallChain(header, own), `a/${i}`));
    expect(header.length).toBe(length + 8 * '"a/1",'.length);
  });

  test('may have 32 links beside its tickets', () => {
    const links = Array.from({ length: 32 }, (_, i) => `a/${i}`);
    const header = encodeCallChain(heldBy(ticket(), links));
    expect([...decodeCallChain(header, ticket())]).toEqual(links);
    const longer = encodeCallChain(heldBy(ticket(), [...links, 'a/32']));
    expect(() => decodeCallChain(longer, ticket())).toThrow('not a list of at most 32 texts');
  });

  test.each(['', '{', '{}', '[1]', '"a"', 'null'])('is not read from %j', (header) => {
    expect(() => decodeCallChain(header, ticket())).toThrow('not a list of at most 32 texts');
  });
});

describe('a ticket', () => {
  test('is not drawn before a call is made, and no header shows it until then', () => {
    let draws = 0;
    const own = new Ticket({ bytes: (count) => (draws++, systemRandom.bytes(count)) });
    decodeCallChain('["a/1"]', own);
    expect([own.isIn('["a/1"]'), own.isIn(undefined), draws]).toEqual([false, false, 0]);
    expect(own.isIn(own.text)).toBe(true);
  });

  test('is another for each node', () => {
    expect(new Set(Array.from({ length: 100 }, () => ticket().text)).size).toBe(100);
  });
});
