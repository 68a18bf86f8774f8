import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import { createClient } from '../../src/client/client.ts';
import type { Retry } from '../../src/client/retry-policy.ts';
import { retryPolicy } from '../../src/client/retry-policy.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

/** Draws the longest pause, or the shortest. */
const drawing = (byte: number) => ({ bytes: (count: number) => new Uint8Array(count).fill(byte) });

function pauses(retry: Retry, error: ClstrError, byte = 255): (number | undefined)[] {
  const policy = retryPolicy(retry, drawing(byte));
  const failed = { type: 'A', key: 'k', remainingMs: 60_000, error };
  return [1, 2, 3, 4, 5, 6, 7].map((attempt) => policy.pauseMs({ ...failed, attempt }));
}

const lost = new ClstrError('CONNECTION_LOST', 'lost');
const full = (details?: Record<string, unknown>) => new ClstrError('OVERLOADED', 'full', { details });

describe('a retry policy', () => {
  test('standard makes three attempts, with pauses that double from 50 ms', () => {
    expect(pauses('standard', lost)).toEqual([50, 100, ...Array<undefined>(5)]);
    expect(pauses({}, lost)).toEqual(pauses('standard', lost));
  });

  test('aggressive makes six, with pauses from 25 ms', () => {
    expect(pauses('aggressive', lost)).toEqual([25, 50, 100, 200, 400, undefined, undefined]);
  });

  test('pauses never longer than maxMs', () => {
    const retry = { maxAttempts: 6, initialMs: 100, maxMs: 350 };
    expect(pauses(retry, lost)).toEqual([100, 200, 350, 350, 350, undefined, undefined]);
  });

  test('gives an overloaded node a second, and longer each time', () => {
    expect(pauses({ maxAttempts: 4 }, full())).toEqual([1_000, 2_000, 2_000, ...Array<undefined>(4)]);
  });

  test('waits as long as an overloaded node says, and a random part of the first pause more', () => {
    expect(pauses('standard', full({ retryAfterMs: 300 }), 127)).toEqual([325, 325, ...Array<undefined>(5)]);
  });

  test('gives up when the node says so by a negative retryAfterMs', () => {
    expect(pauses('standard', full({ retryAfterMs: -1 }))).toEqual(Array<undefined>(7));
  });

  test.each([NaN, '5', null, {}, true])('takes a retryAfterMs of %s for none', (retryAfterMs) => {
    expect(pauses('standard', full({ retryAfterMs }))).toEqual(pauses('standard', full()));
  });

  test('draws any part of the pause, but never none', () => {
    const part = fc.nat(255);
    fc.assert(
      fc.property(part, (byte) => {
        const [first] = pauses('standard', lost, byte);
        expect(first).toBeGreaterThan(0);
        expect(first).toBeLessThanOrEqual(50);
      }),
    );
    expect(pauses({ jitter: 'none' }, lost, 0)).toEqual([50, 100, ...Array<undefined>(5)]);
  });

  test.each([
    ['often', /retry must be 'standard', 'aggressive', an object of options or a policy/],
    [true, /retry must be/],
    [[], /retry must be/],
    [null, /retry must be/],
    [{ pauseMs: 5 }, /retry\.pauseMs must be a function/],
    [{ maxAttempts: 0 }, /maxAttempts must be a whole number from 1 to 100/],
    [{ maxAttempts: NaN }, /maxAttempts/],
    [{ initialMs: -1 }, /initialMs/],
    [{ maxMs: 0 }, /maxMs/],
    [{ jitter: 'equal' }, /jitter must be 'full' or 'none'/],
    [{ attempts: 3 }, /unknown option "attempts"/],
  ])('%j is refused', (retry, message) => {
    const create = () => createClient({ transport: new ScriptedTransport(), retry: retry as Retry });
    expect(create).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) }),
    );
  });
});
