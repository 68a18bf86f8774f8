import process from 'node:process';
import { defineActor, notify, request } from '@clstr/actors';
import { ClstrError } from '@clstr/core';
import { fakeClock } from '@clstr/testing';
import { memoryMembership, memoryTransport } from '@clstr/transport-memory';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createApp, stderrLogger } from '../src/index.ts';
import { recordLog } from '@clstr/testing/internal';

let printed: string[];
beforeEach(() => {
  printed = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    printed.push(String(text).replace(/\n$/, ''));
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const clock = fakeClock({ wallMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678) });

describe('the logger of stderr', () => {
  test('writes warnings and errors, one line each, with their fields', () => {
    const logger = stderrLogger({ clock });
    logger.debug({}, 'no');
    logger.info({}, 'no');
    logger.warn({ nodeId: 'a', shard: 7, key: 'two words', inc: undefined }, 'it moved');
    logger.error({ from: { nodeId: 'b' } });
    expect(printed).toEqual([
      '2026-01-02T03:04:05.678Z WARN it moved nodeId=a shard=7 key="two words"',
      "2026-01-02T03:04:05.678Z ERROR from={ nodeId: 'b' }",
    ]);
  });

  test('writes what the field err holds below, with stack, code and cause, indented', () => {
    const cause = new TypeError('inner');
    stderrLogger({ clock }).error({ err: new ClstrError('TIMEOUT', 'outer', { cause }) }, 'it failed');
    const [first, second, ...rest] = printed.join('\n').split('\n');
    expect(first).toBe('2026-01-02T03:04:05.678Z ERROR it failed');
    expect(second).toMatch(/^ {4}ClstrError.*: outer$/);
    expect(rest.every((line) => line.startsWith('    '))).toBe(true);
    expect(rest.join('\n')).toMatch(/at .*stderr-logger\.test\.ts/);
    expect(rest).toContain("      code: 'TIMEOUT',");
    expect(rest).toContain('      [cause]: TypeError: inner');
  });

  test('keeps an event on its line, whatever names from outside hold', () => {
    const forged = 'x\n2026-01-01T00:00:00.000Z ERROR forged \u001b[2J\u202e\u2066\u200b\u2028\ud800';
    stderrLogger({ clock }).warn({ key: forged, list: [forged], err: new Error(forged) }, forged);
    const lines = printed.join('\n').split('\n');
    expect(lines.filter((line) => line.startsWith('2026-'))).toHaveLength(1);
    expect(lines.join('')).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028]/u);
  });

  test.each([
    ['null', null],
    ['text', 'oops'],
    [
      'an error that cannot be read',
      Object.defineProperty(new Error(), 'stack', { get: () => { throw new Error('gotcha'); } }), // prettier-ignore
    ],
  ])('survives %s as an error', (_, err) => {
    stderrLogger({ clock }).error({ err }, 'it failed');
    expect(printed[0]).toMatch(/ERROR it failed\n {4}./);
  });

  test('writes from the level that it is given', () => {
    const logger = stderrLogger({ clock, level: 'debug' });
    logger.debug({}, 'now');
    expect(printed).toEqual(['2026-01-02T03:04:05.678Z DEBUG now']);
  });

  test.each([
    [{ level: 'loud' }, 'stderrLogger: level must be one of debug, info, warn, error, got "loud"'],
    [{ levels: 'warn' }, /unknown option "levels"/],
  ])('refuses the options %o', (options, message) => {
    expect(() => stderrLogger(options as never)).toThrow(message);
  });
});

describe('an app', () => {
  const Faulty = defineActor('faulty', { ask: request(), tell: notify() });
  const fail = (): never => {
    throw new TypeError('a bug');
  };
  const faulty = Faulty.implement({ setup: () => ({}), handlers: { ask: fail, tell: fail } });
  const transport = () => memoryTransport();

  test('writes the bugs of its handlers to stderr unless it is given a logger', async () => {
    await using app = await createApp({ transport, actors: [faulty], signals: [] });
    await app.ref(Faulty, 'k').ask().catch(() => undefined); // prettier-ignore
    await app.ref(Faulty, 'k').tell();
    await vi.waitFor(() => {
      expect(printed).toHaveLength(2);
    });
    expect(printed[0]).toMatch(/ERROR the handler of "faulty.ask" threw .*key=k.*\n {4}TypeError: a bug/);
    expect(printed[1]).toMatch(/ERROR the handler of "faulty.tell" threw/);
  });

  test('writes nothing with logger: false, nor with a logger of its own', async () => {
    const logger = recordLog();
    for (const to of [false, logger] as const) {
      await using app = await createApp({ transport, actors: [faulty], signals: [], logger: to });
      await app.ref(Faulty, 'k').ask().catch(() => undefined); // prettier-ignore
    }
    expect(printed).toEqual([]);
    expect(logger.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { message: 'the handler of "faulty.ask" threw' },
    ]);
  });

  test('gives its logger to the transport that it makes, and to the membership that its node opens', async () => {
    const logger = recordLog();
    const membership = memoryMembership();
    const options = {
      actors: [faulty],
      signals: [],
      logger,
      transport: () =>
        Object.assign(transport(), { useLogger: (given: typeof logger) => given.info({}, 'bus') }),
      membership: {
        ...membership,
        open(context: Parameters<typeof membership.open>[0]) {
          context?.logger?.info({}, 'bucket');
          return membership.open(context);
        },
      },
    };
    await using _app = await createApp(options);
    const messages = logger.lines.map(({ message }) => message);
    expect(messages).toEqual(expect.arrayContaining(['bus', 'bucket']));
  });
});
