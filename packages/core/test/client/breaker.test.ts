import { describe, expect, test } from 'vitest';
import { Breaker, MAX_PROBES } from '../../src/client/breaker.ts';
import type { AttemptEnd } from '../../src/client/breaker.ts';

const OPTIONS = { failureRate: 0.5, minCalls: 20, windowMs: 10_000, openMs: 5_000 };

/** Sends `count` calls that end at once. */
function end(breaker: Breaker, how: AttemptEnd, count: number, nowMs: number): void {
  for (let i = 0; i < count; i++) breaker.ended(breaker.pass(nowMs), how, nowMs);
}

describe('a breaker', () => {
  test('opens when half of at least twenty calls failed', () => {
    const breaker = new Breaker(OPTIONS);
    end(breaker, 'answered', 10, 0);
    end(breaker, 'failed', 9, 0);
    expect(breaker.state).toBe('closed');
    end(breaker, 'failed', 1, 0);
    expect([breaker.state, breaker.pass(4_999), breaker.waitMs(1_000)]).toEqual(['open', 0, 4_000]);
  });

  test('stays closed below twenty calls, and while most of them are answered', () => {
    const breaker = new Breaker(OPTIONS);
    end(breaker, 'failed', 19, 0);
    expect(breaker.state).toBe('closed');
    const healthy = new Breaker(OPTIONS);
    for (let i = 0; i < 1_000; i++) {
      end(healthy, 'answered', 2, i);
      end(healthy, 'failed', 1, i);
    }
    expect(healthy.state).toBe('closed');
  });

  test('forgets what is older than its window', () => {
    const breaker = new Breaker(OPTIONS);
    end(breaker, 'failed', 19, 0);
    end(breaker, 'failed', 1, 10_000);
    expect(breaker.state).toBe('closed');
  });

  test('counts an answer in the slice in which its call began, unless that has left the window', () => {
    const breaker = new Breaker(OPTIONS);
    const passes = Array.from({ length: 40 }, () => breaker.pass(0));
    for (const pass of passes.slice(0, 10)) breaker.ended(pass, 'failed', 12_000);
    for (const pass of passes.slice(10, 20)) breaker.ended(pass, 'answered', 1_000);
    expect(breaker.state).toBe('closed');
    for (const pass of passes.slice(20, 30)) breaker.ended(pass, 'answered', 11_000);
    breaker.ended(passes[30]!, 'failed', 12_000);
    expect(breaker.state).toBe('open');
  });

  test('counts neither aborts nor moves', () => {
    const breaker = new Breaker(OPTIONS);
    end(breaker, 'unrelated', 1_000, 0);
    expect(breaker.state).toBe('closed');
  });

  test('lets three of ten thousand calls try after its pause; their answers close it', () => {
    const breaker = new Breaker(OPTIONS);
    end(breaker, 'failed', 20, 0);
    const passes = Array.from({ length: 10_000 }, () => breaker.pass(5_000)).filter((pass) => pass !== 0);
    expect(passes).toHaveLength(MAX_PROBES);
    for (const pass of passes.slice(1)) breaker.ended(pass, 'answered', 5_100);
    expect([breaker.state, breaker.pass(5_100)]).toEqual(['half-open', 0]);
    breaker.ended(passes[0]!, 'answered', 5_200);
    expect(breaker.state).toBe('closed');
    expect(breaker.pass(5_200)).toBeGreaterThan(0);
  });

  test('opens again when a probe fails; a probe that was aborted gives its place to another', () => {
    const breaker = new Breaker(OPTIONS);
    end(breaker, 'failed', 20, 0);
    const [first, second, third] = [breaker.pass(5_000), breaker.pass(5_000), breaker.pass(5_000)];
    breaker.ended(first, 'unrelated', 5_000);
    const fourth = breaker.pass(5_000);
    expect([fourth > 0, breaker.pass(5_000)]).toEqual([true, 0]);
    breaker.ended(second, 'failed', 6_000);
    expect([breaker.state, breaker.pass(10_999)]).toEqual(['open', 0]);
    breaker.ended(third, 'answered', 6_001);
    expect(breaker.state).toBe('open');
    expect(breaker.pass(11_000)).toBeGreaterThan(0);
  });

  test('pays no attention to what began before it opened', () => {
    const breaker = new Breaker(OPTIONS);
    const early = Array.from({ length: 30 }, () => breaker.pass(0));
    for (const pass of early.slice(0, 20)) breaker.ended(pass, 'failed', 100);
    breaker.pass(5_100);
    for (const pass of early.slice(20)) breaker.ended(pass, 'failed', 5_200);
    expect(breaker.state).toBe('half-open');
  });

  test('limits its node until it closes, or until no call has tried the node for a window', () => {
    const breaker = new Breaker(OPTIONS);
    expect(breaker.isLimiting(0)).toBe(false);
    end(breaker, 'failed', 20, 0);
    expect([breaker.isLimiting(14_999), breaker.isLimiting(15_000)]).toEqual([true, false]);
    const probe = breaker.pass(20_000);
    expect(breaker.isLimiting(60_000)).toBe(true);
    breaker.ended(probe, 'failed', 60_000);
    expect([breaker.isLimiting(74_999), breaker.isLimiting(75_000)]).toEqual([true, false]);
    end(breaker, 'answered', MAX_PROBES, 75_000);
    expect([breaker.state, breaker.isLimiting(75_000)]).toEqual(['closed', false]);
  });
});

/** The model keeps each end with its slice of the window, and counts them anew at each step. */
test('keeps to its model over a million random steps', () => {
  let seed = 20_261_201;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (seed >>> 8) % below;
  };
  const breaker = new Breaker(OPTIONS);
  const sliceMs = OPTIONS.windowMs / 10;
  let nowMs = 0;
  let state = 'closed';
  let era = 1;
  let openedMs = 0;
  let probes = 0;
  let answers = 0;
  let ends: { slice: number; failed: boolean }[] = [];
  const turn = (next: string): void => {
    state = next;
    era++;
    [probes, answers, ends] = [0, 0, []];
  };
  const outstanding: number[] = [];
  const seen = new Set<string>();
  for (let step = 0; step < 1_000_000; step++) {
    nowMs += random(40) === 0 ? random(3_000) : random(3);
    if (random(2) === 0 || outstanding.length === 0) {
      const pass = breaker.pass(nowMs);
      if (state === 'open' && nowMs >= openedMs + OPTIONS.openMs) turn('half-open');
      const isAllowed = state === 'closed' || (state === 'half-open' && probes + answers < MAX_PROBES);
      if (isAllowed && state === 'half-open') probes++;
      if (pass !== (isAllowed ? era : 0)) throw new Error(`step ${step}: pass ${pass} while ${state}`);
      if (pass !== 0) outstanding.push(pass);
    } else {
      const [pass] = outstanding.splice(random(outstanding.length), 1) as [number];
      // The node is well and sick in turn.
      const usual = Math.floor(step / 1_000) % 2 === 0 ? 'answered' : 'failed';
      const how = ([usual, usual, usual, 'answered', 'failed', 'unrelated'] as const)[random(6)]!;
      breaker.ended(pass, how, nowMs);
      if (pass === era && state === 'half-open') {
        probes--;
        if (how === 'failed') {
          openedMs = nowMs;
          turn('open');
        } else if (how === 'answered' && ++answers === MAX_PROBES) turn('closed');
      } else if (pass === era && how !== 'unrelated') {
        const slice = Math.floor(nowMs / sliceMs);
        ends.push({ slice, failed: how === 'failed' });
        ends = ends.filter((one) => one.slice > slice - 10);
        const failed = ends.filter((one) => one.failed).length;
        if (how === 'failed' && ends.length >= 20 && failed >= ends.length / 2) {
          openedMs = nowMs;
          turn('open');
        }
      }
    }
    if (breaker.state !== state) throw new Error(`step ${step}: ${breaker.state}, but ${state} in the model`);
    seen.add(state);
  }
  expect(seen).toEqual(new Set(['closed', 'open', 'half-open']));
});
