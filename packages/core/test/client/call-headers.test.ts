import { describe, expect, test } from 'vitest';
import { withCallChain } from '../../src/client/call-headers.ts';
import { checkCallOptions } from '../../src/client/options.ts';
import { Ticket, decodeCallChain, heldBy } from '../../src/wire/call-chain.ts';
import { CRITICAL_HEADER, isCritical } from '../../src/wire/framework-headers.ts';
import { systemRandom } from '../../src/base/random.ts';

const own = new Ticket(systemRandom);
const onBehalfOf = (critical: boolean) => heldBy(own, ['a/1'], '', 1, critical);

describe('a call is critical', () => {
  test('if it says so, beside its other headers', () => {
    expect(withCallChain(undefined, undefined, true)).toEqual({ [CRITICAL_HEADER]: '1' });
    expect(withCallChain({ user: 'u' }, undefined, true)).toEqual({ user: 'u', [CRITICAL_HEADER]: '1' });
    expect(isCritical(withCallChain(undefined, heldBy(own), true))).toBe(true);
    const given = { user: 'u' };
    for (const critical of [false, undefined]) expect(withCallChain(given, undefined, critical)).toBe(given);
  });

  test('if it is made on behalf of a critical message, unless it says otherwise', () => {
    expect(isCritical(withCallChain(undefined, onBehalfOf(true)))).toBe(true);
    expect(isCritical(withCallChain(undefined, onBehalfOf(true), false))).toBe(false);
    expect(isCritical(withCallChain(undefined, onBehalfOf(false)))).toBe(false);
    const arrived = decodeCallChain('["a/1"]', own, 1, true);
    expect(isCritical(withCallChain(undefined, arrived))).toBe(true);
  });
});

test.each(['1', 1, null])('refuses %j for critical', (critical) => {
  expect(() => {
    checkCallOptions({ critical: critical as never });
  }).toThrow('call: critical must be true or false, got');
});
