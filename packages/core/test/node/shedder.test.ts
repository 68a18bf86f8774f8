import { recordLog } from '@clstr/testing/internal';
import { describe, expect, test } from 'vitest';
import { Shedder } from '../../src/node/shedder.ts';
import { CALL_CHAIN_HEADER, Ticket, chainTo, encodeCallChain, heldBy } from '../../src/wire/call-chain.ts';
import { CRITICAL_HEADER } from '../../src/wire/framework-headers.ts';
import { systemRandom } from '../../src/base/random.ts';
import { entryOf } from '../entry.ts';
import { TurningClock } from './turning-clock.ts';

const SERVICE_MS = 2;

function start({ targetMs = 5, intervalMs = 100 } = {}) {
  const clock = new TurningClock(1_000);
  const logger = recordLog();
  const ticket = new Ticket(systemRandom);
  const shedder = new Shedder({ nodeId: 'n1', clock, logger, shedding: { targetMs, intervalMs } }, ticket);
  /** One turn of the loop in which `count` messages are reached; returns how many of them ran. */
  const turn = (count: number, fields: Parameters<typeof entryOf>[0] = {}): number => {
    let ran = 0;
    for (let i = 0; i < count; i++) {
      const entry = entryOf({ receivedAtMs: clock.nowMs, ...fields });
      if (shedder.refusal(entry, clock.nowMs) !== undefined) continue;
      clock.advance(SERVICE_MS);
      ran++;
    }
    clock.turn();
    return ran;
  };
  /** Overload: turns that never end in time, until shedding begins. */
  const flood = (): void => {
    for (let i = 0; i < 1_000 && !shedder.isShedding; i++) turn(10);
    expect(shedder.isShedding).toBe(true);
    clock.turn();
  };
  const look = (fields: Parameters<typeof entryOf>[0] = {}) =>
    shedder.refusal(entryOf({ receivedAtMs: clock.nowMs, ...fields }), clock.nowMs);
  return { clock, logger, ticket, shedder, turn, flood, look };
}

describe('the age of messages', () => {
  test('in turns that never end in time sheds from the end of an interval on, down to the target', () => {
    const { shedder, turn, clock } = start();
    const startMs = clock.nowMs;
    while (!shedder.isShedding) expect(turn(10)).toBeGreaterThan(0);
    // 6 ms into the first turn its fourth message is the first that is too old.
    expect(clock.nowMs - startMs).toBeGreaterThan(100);
    expect(clock.nowMs - startMs).toBeLessThan(130);
    // Messages reached after 0, 2 and 4 ms run, and those reached after 6 ms do not.
    for (let i = 0; i < 100; i++) expect(turn(10)).toBe(3);
  });

  test('within one long turn counts as well: nothing has to end for the node to notice', () => {
    const { turn, shedder } = start();
    const ran = turn(10_000);
    expect(shedder.isShedding).toBe(true);
    // 100 ms above the target of 5 ms.
    expect(ran).toBe(53);
  });

  test('in a busy but never late node sheds nothing', () => {
    const { shedder, turn } = start();
    for (let i = 0; i < 1_000; i++) expect(turn(3)).toBe(3);
    expect(shedder.isShedding).toBe(false);
  });

  test('is that of a burst if the loop finds nothing to do in between', () => {
    const { shedder, turn, clock } = start();
    for (let i = 0; i < 100; i++) {
      expect(turn(40)).toBe(40);
      clock.turn();
      expect(clock.isWatched).toBe(false);
      clock.advance(1);
    }
    expect(shedder.isShedding).toBe(false);
  });

  test('does not count the time that a slow handler itself takes', () => {
    const { shedder, clock, look } = start();
    for (let i = 0; i < 100; i++) {
      expect(look()).toBeUndefined();
      clock.advance(50);
      clock.turn();
    }
    expect(shedder.isShedding).toBe(false);
  });

  test('keeps neither a timer nor a turn of the loop without messages', () => {
    const { clock, turn } = start();
    turn(1);
    expect(clock.isWatched).toBe(true);
    clock.turn();
    expect([clock.isWatched, clock.pendingTimers]).toEqual([false, 0]);
  });
});

describe('while it sheds, a node', () => {
  test('says why, and when to come back', () => {
    const { flood, look, clock } = start();
    flood();
    look();
    clock.advance(6);
    expect(look()).toMatchObject({
      code: 'OVERLOADED',
      outcome: 'not-executed',
      retryable: true,
      details: { reason: 'age', retryAfterMs: 100 },
      message: 'messages have waited for node n1 for longer than 5 ms, so it refuses some',
    });
  });

  test('takes critical messages, and no other value of the header is that', () => {
    const { flood, look, clock } = start();
    flood();
    look();
    clock.advance(50);
    expect(look({ headers: { [CRITICAL_HEADER]: '1' } })).toBeUndefined();
    for (const value of ['', '0', 'true', '11', ' 1', '1\n', '１']) {
      expect(look({ headers: { [CRITICAL_HEADER]: value } })?.code).toBe('OVERLOADED');
    }
  });

  test('refuses critical messages too once they alone keep it busy for ten times the target', () => {
    const { turn } = start();
    const headers = { [CRITICAL_HEADER]: '1' };
    for (let i = 0; i < 20; i++) turn(100, { headers });
    // Reached after 0, 2, … 50 ms.
    expect(turn(100, { headers })).toBe(26);
    // The next turn is for what had to wait so long, and the one after it for all.
    expect(turn(50)).toBe(0);
    expect(turn(50)).toBe(3);
  });

  test('takes the calls of its own handlers, which prove it by their ticket', () => {
    const { flood, look, clock, ticket } = start();
    flood();
    look();
    clock.advance(50);
    const own = encodeCallChain(chainTo(heldBy(ticket), 'a/1'));
    const foreign = encodeCallChain(chainTo(heldBy(new Ticket(systemRandom)), 'a/1'));
    expect(look({ headers: { [CALL_CHAIN_HEADER]: own } })).toBeUndefined();
    expect(look({ headers: { [CALL_CHAIN_HEADER]: foreign } })?.code).toBe('OVERLOADED');
  });

  test('ends after an interval in which nothing was too old, also if nothing arrives any more', () => {
    const { flood, shedder, turn, clock } = start();
    flood();
    for (let i = 0; i < 40; i++) turn(1);
    expect(shedder.isShedding).toBe(true);
    clock.advance(100);
    expect(shedder.isShedding).toBe(false);
    expect(clock.pendingTimers).toBe(0);
    clock.turn();
    expect(turn(100)).toBe(53);
  });

  test('logs its beginning and its end, and nothing per message', () => {
    const { flood, turn, clock, logger } = start();
    flood();
    for (let i = 0; i < 20; i++) turn(10);
    clock.advance(300);
    expect(logger.lines).toMatchObject([
      { level: 'warn', fields: { event: 'node.shedding_began', nodeId: 'n1', waitedMs: expect.any(Number) } },
      { level: 'info', fields: { event: 'node.shedding_ended', nodeId: 'n1', refused: 147, forMs: 300 } },
    ]);
  });

  test('that begins again and again logs it rarely', () => {
    const { flood, clock, logger } = start();
    for (let i = 0; i < 10; i++) {
      flood();
      clock.advance(300);
    }
    expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });
});

describe('a message that cannot end in time', () => {
  test('is refused before it begins, critical or not, and is not worth repeating', () => {
    const { shedder, look, clock } = start();
    shedder.runTimes.ended('Get', 40, true, clock.nowMs);
    expect(look({ ttlMs: 40 })).toBeUndefined();
    expect(look({ ttlMs: 39, headers: { [CRITICAL_HEADER]: '1' } })).toMatchObject({
      code: 'ENVELOPE_EXPIRED',
      outcome: 'not-executed',
      retryable: false,
      details: { reason: 'deadline' },
      message: '39 ms are left for "Get", which has taken 40 ms on node n1 lately',
    });
    expect(look({ ttlMs: 39, type: 'Put' })).toBeUndefined();
    expect(look()).toBeUndefined();
  });

  test('has had its time since its bytes were read', () => {
    const { shedder, look, clock } = start();
    shedder.runTimes.ended('Get', 40, true, clock.nowMs);
    expect(look({ ttlMs: 60, receivedAtMs: clock.nowMs - 20 })).toBeUndefined();
    expect(look({ ttlMs: 60, receivedAtMs: clock.nowMs - 21 })?.code).toBe('ENVELOPE_EXPIRED');
  });
});
