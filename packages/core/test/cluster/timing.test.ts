import { describe, expect, test } from 'vitest';
import { TIMINGS, expiryFor, resolveTiming } from '../../src/cluster/timing.ts';
import type { Timing } from '../../src/cluster/timing.ts';

const refusal = (message: string): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

const changed = (change: Partial<Timing>): Timing => ({ ...TIMINGS.default, ...change });

describe('a timing', () => {
  test.each(['default', 'datacenter', 'fast'] as const)(
    'by the name %s is a frozen profile that keeps every rule',
    (name) => {
      expect(resolveTiming('x', name)).toBe(TIMINGS[name]);
      expect(Object.isFrozen(TIMINGS[name])).toBe(true);
      expect(resolveTiming('x', { ...TIMINGS[name] })).toEqual(TIMINGS[name]);
    },
  );

  test('of one’s own is copied: a later change does not reach it', () => {
    const own = { ...TIMINGS.fast };
    const resolved = resolveTiming('x', own);
    own.leaseMs = 1;
    expect(resolved.leaseMs).toBe(2_000);
    expect(Object.isFrozen(resolved)).toBe(true);
  });

  test.each(['slow', 'constructor', ''])('by the name %j is refused', (name) => {
    expect(() => resolveTiming('x', name as never)).toThrow(
      refusal('^x: timing must be one of default, datacenter, fast, or a Timing'),
    );
  });

  test.each([
    [{ heartbeatMs: 0 }, 'timing.heartbeatMs'],
    [{ leaseMs: NaN }, 'timing.leaseMs'],
    [{ maxMoving: 1.5 }, 'timing.maxMoving'],
    [{ listMs: 3_600_001 }, 'timing.listMs'],
    [{ pingMs: undefined as never }, 'timing.pingMs'],
  ])('with %o is refused by name', (change, name) => {
    expect(() => resolveTiming('x', changed(change))).toThrow(refusal(`^x: ${name} must be`));
  });

  test('with an unknown name is refused', () => {
    expect(() => resolveTiming('x', { ...TIMINGS.fast, beat: 5 } as never)).toThrow(
      refusal('^x: timing: unknown option "beat"'),
    );
  });

  test.each([
    ['3 heartbeatMs \\+ ackTimeoutMs <= leaseMs - guardMs', { heartbeatMs: 4_167 }, { heartbeatMs: 4_166 }],
    ['3 heartbeatMs \\+ ackTimeoutMs <= leaseMs - guardMs', { guardMs: 7_501 }, { guardMs: 7_500 }],
    ['expiryMs >= leaseMs \\* 1.01 / 0.99 \\+ slackMs', { expiryMs: 16_803 }, { expiryMs: 16_804 }],
    ['3 pingMs <= leaseMs / 2', { pingMs: 2_501 }, { pingMs: 2_500 }],
  ])('must keep %s', (rule, broken, kept) => {
    expect(() => resolveTiming('x', changed(broken))).toThrow(refusal(`^x: timing must keep ${rule}, or `));
    expect(resolveTiming('x', changed(kept))).toMatchObject(kept);
  });
});

describe('the expiry of a node', () => {
  test('is the monitor’s own for a lease like its own', () => {
    expect(expiryFor(TIMINGS.default, 15_000)).toBe(17_000);
  });

  test('grows with the lease that the heartbeat states, and the rate by which clocks may differ', () => {
    expect(expiryFor(TIMINGS.fast, 99_000)).toBeCloseTo(101_000 + 400);
  });
});
