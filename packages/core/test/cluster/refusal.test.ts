import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import { createStartLimit, refusalOf, silentLimitMs } from '../../src/cluster/refusal.ts';
import { TIMINGS } from '../../src/cluster/timing.ts';
import { FULL } from './bucket.ts';
import { timing } from './fixtures.ts';
import { skewedClock } from './skewed-clock.ts';

const { expiryMs } = timing;

function begin() {
  const clock = skewedClock();
  const onFailure = createStartLimit(clock, timing, 'node a could not join').begin('write h.a');
  return { clock, onFailure };
}

test.each(['TIMEOUT', 'CONNECTION_LOST', 'NO_SUBSCRIBER', 'TRANSPORT_CLOSED'] as const)(
  '%s is silence, not a refusal',
  (code) => {
    expect(refusalOf(new ClstrError(code, 'no'))).toBeUndefined();
  },
);

test.each(['STORE_REFUSED', 'NO_PERMISSION', 'AUTH_FAILED', 'CONNECT_FAILED'] as const)(
  '%s is a refusal',
  (code) => {
    const error = new ClstrError(code, 'no');
    expect(refusalOf(error)).toBe(error);
  },
);

describe('a start', () => {
  test('ends when the store has refused for an expiry, and its error carries the refusal', async () => {
    const { clock, onFailure } = begin();
    onFailure(FULL);
    await clock.advance(expiryMs - 1);
    onFailure(FULL);
    await clock.advance(1);
    expect(() => {
      onFailure(FULL);
    }).toThrow(
      expect.objectContaining({
        code: 'STORE_REFUSED',
        outcome: 'not-executed',
        details: FULL.details,
        cause: FULL,
        message:
          'node a could not join: the membership store refused for 2500 ms to write h.a: the account is full',
      }),
    );
  });

  test('counts a refusal anew after silence, as of a server that came back', async () => {
    const { clock, onFailure } = begin();
    onFailure(FULL);
    await clock.advance(expiryMs);
    onFailure(undefined);
    onFailure(FULL);
    await clock.advance(expiryMs - 1);
    onFailure(FULL);
  });

  test('ends when the store was silent for 30 s, or for four expiries where those are longer', async () => {
    const { clock, onFailure } = begin();
    onFailure(undefined);
    await clock.advance(29_999);
    onFailure(undefined);
    await clock.advance(1);
    expect(() => {
      onFailure(undefined);
    }).toThrow(
      expect.objectContaining({
        code: 'TIMEOUT',
        outcome: 'not-executed',
        message:
          'node a could not join: the membership store did not write h.a within 30000 ms, and gave no reason',
      }),
    );
    expect([silentLimitMs(TIMINGS.fast), silentLimitMs(TIMINGS.default)]).toEqual([30_000, 68_000]);
  });
});
