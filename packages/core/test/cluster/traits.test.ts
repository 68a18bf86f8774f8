import { describe, expect, test } from 'vitest';
import { isTraits, misfitAmong, traitsOf } from '../../src/cluster/traits.ts';

describe('what a node publishes', () => {
  test('is only codec and prefix when the handler declares nothing', () => {
    expect(traitsOf({}, 'json', undefined)).toEqual({ codec: 'json' });
    expect(traitsOf({}, 'json', 'shop')).toEqual({ codec: 'json', prefix: 'shop' });
  });

  test('does not depend on the order or on repeats', () => {
    const one = traitsOf({ hosts: ['b', 'a', 'b'], types: ['b.x', 'a.y'] }, 'json', undefined);
    expect(one).toEqual(traitsOf({ hosts: ['a', 'b'], types: ['a.y', 'b.x'] }, 'json', undefined));
    expect(one).toMatchObject({ hosts: ['a', 'b'], types: expect.stringMatching(/^[0-9a-f]{16}$/) });
  });

  test('differs in its types when a method is added', () => {
    const before = traitsOf({ hosts: ['a'], types: ['a.x'] }, 'json', undefined);
    expect(traitsOf({ hosts: ['a'], types: ['a.x', 'a.y'] }, 'json', undefined).types).not.toBe(before.types);
  });

  test('is bounded: every member reads it', () => {
    const hosts = Array.from({ length: 2_000 }, (_, i) => `actor-${i}`);
    expect(() => traitsOf({ hosts }, 'json', undefined)).toThrow(
      /^createNode: the names in handler.hosts take \d+ bytes, and 16384 is the most/,
    );
  });

  test.each([[[5]], [['']], ['order']])('of the names %j is refused', (hosts) => {
    expect(() => traitsOf({ hosts: hosts as string[] }, 'json', undefined)).toThrow('handler.hosts must be');
  });
});

test.each([{ hosts: 5 }, { codec: 1 }, { prefix: [] }, { types: {} }, 'json', null])(
  'traits of %j are none',
  (value) => {
    expect(isTraits(value)).toBe(false);
  },
);

test('a refusal lists the first names only', () => {
  const hosts = Array.from({ length: 30 }, (_, i) => `a${i}`);
  const others = [{ nodeId: 'b', traits: { hosts: ['z'] } }];
  const error = misfitAmong('me', { hosts }, others);
  expect(error?.message).toContain('"a19" and 10 more, and the nodes of this cluster host "z"');
  expect(error?.details).toEqual({ hosts: { cluster: ['z'], here: hosts } });
});
