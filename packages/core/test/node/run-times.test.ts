import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RunTimes } from '../../src/node/run-times.ts';

describe('the forecast of a run time', () => {
  test('is nothing before the first success', () => {
    const times = new RunTimes();
    expect(times.expectedMs('Get', 0)).toBe(0);
    times.ended('Get', 50, false, 0);
    expect(times.expectedMs('Get', 0)).toBe(0);
    times.ended('Get', 50, true, 0);
    expect(times.expectedMs('Get', 0)).toBe(50);
    expect(times.expectedMs('Put', 0)).toBe(0);
  });

  test('follows the times of its own type', () => {
    const times = new RunTimes();
    times.ended('Get', 8, true, 0);
    times.ended('Put', 800, true, 0);
    times.ended('Get', 16, true, 1);
    expect([times.expectedMs('Get', 1), times.expectedMs('Put', 1)]).toEqual([9, 800]);
  });

  test('is not moved by what fails fast, but by what fails late', () => {
    const times = new RunTimes();
    times.ended('Get', 8, true, 0);
    times.ended('Get', 1, false, 0);
    expect(times.expectedMs('Get', 0)).toBe(8);
    times.ended('Get', 1_008, false, 0);
    expect(times.expectedMs('Get', 0)).toBe(133);
  });

  test('lets one message a second ahead when nothing has confirmed it, and believes that one alone', () => {
    const times = new RunTimes();
    times.ended('Get', 9_000, true, 0);
    const forecasts = [999, 1_000, 1_001, 1_999, 2_000, 2_001].map((ms) => times.expectedMs('Get', ms));
    expect(forecasts).toEqual([9_000, 0, 9_000, 9_000, 0, 9_000]);
    times.ended('Get', 2, true, 2_002);
    expect(times.expectedMs('Get', 2_003)).toBe(2);
    times.ended('Get', 10, true, 2_004);
    expect(times.expectedMs('Get', 2_005)).toBe(3);
  });

  test('exists for 1,024 types, because anybody can make one up', () => {
    const times = new RunTimes();
    for (let i = 0; i < 2_000; i++) times.ended(`t${i}`, 5, true, 0);
    expect(times.expectedMs('t1023', 0)).toBe(5);
    expect(times.expectedMs('t1024', 0)).toBe(0);
  });

  test('lies between the shortest and the longest time', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 }), (ran) => {
        const times = new RunTimes();
        for (const ms of ran) times.ended('Get', ms, true, 0);
        const expectedMs = times.expectedMs('Get', 0);
        expect(expectedMs).toBeGreaterThanOrEqual(Math.min(...ran) * (1 - 1e-9));
        expect(expectedMs).toBeLessThanOrEqual(Math.max(...ran) * (1 + 1e-9));
      }),
    );
  });
});
