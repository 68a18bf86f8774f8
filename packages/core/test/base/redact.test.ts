import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import { safeLogger } from '../../src/base/observers.ts';
import { redacted, redactedFields } from '../../src/base/redact.ts';

const SEED = `SU${'A2'.repeat(28)}`;
const JWT = 'eyJ0eXAiOiJKV1QifQ.eyJqdGkiOiJYIn0.c2lnbmF0dXJl';

describe('redacted', () => {
  test.each([
    ['nats://user:s3cret@host:4222 is down', 'nats://***@host:4222 is down'],
    ['nats://t0ken@a:1, tls://u:p@ss@b:2', 'nats://***@a:1, tls://***@b:2'],
    [`the seed ${SEED} was refused`, 'the seed *** was refused'],
    [`user jwt ${JWT}`, 'user jwt ***'],
    ['Authorization: Bearer abc.def-ghi', 'Authorization: Bearer ***'],
    ['GET /x?token=abc&page=2', 'GET /x?token=***&page=2'],
    ['password=hunter2 was wrong', 'password=*** was wrong'],
  ])('hides what is secret in %j', (text, expected) => {
    expect(redacted(text)).toBe(expected);
  });

  test.each([
    ['node a lapsed: no heartbeat was acknowledged in time'],
    ['the fencing token 7 is lower than 8'],
    ['mail to a@example.com about https://example.com/page'],
    ['shards=12 numShards=1024'],
  ])('leaves %j as it is', (text) => {
    expect(redacted(text)).toBe(text);
  });

  test('is fast on texts that nearly match', () => {
    const started = performance.now();
    for (const text of ['a://'.repeat(20_000), 'eyJ'.repeat(20_000), 'token='.repeat(20_000)]) redacted(text);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('redactedFields', () => {
  test('returns the same object where nothing is secret', () => {
    const fields = { nodeId: 'a', err: new Error('no'), details: { list: [1, 'x'] } };
    expect(redactedFields(fields)).toBe(fields);
  });

  test('hides fields by name and texts by form, in nested objects and lists, and leaves the original alone', () => {
    const fields = { token: 'x', details: { servers: ['nats://u:p@h', 'nats://h'], password: 'y' } };
    expect(redactedFields(fields)).toEqual({
      token: '***',
      details: { servers: ['nats://***@h', 'nats://h'], password: '***' },
    });
    expect(fields.token).toBe('x');
  });

  test('hides secrets of an error, its details and its causes; the error keeps class and code', () => {
    const cause = new Error(`connect nats://u:hunter2@h failed`);
    const err = new ClstrError('TIMEOUT', 'no answer from nats://u:hunter2@h', {
      outcome: 'unknown',
      cause,
      details: { server: 'nats://u:hunter2@h' },
    });
    const { err: clean } = redactedFields({ err });
    expect(clean).toBeInstanceOf(ClstrError);
    expect(clean).toMatchObject({ code: 'TIMEOUT', message: 'no answer from nats://***@h' });
    const shown = `${inspect(clean, { depth: 5 })} ${JSON.stringify(clean)} ${clean.stack} ${String(clean.cause)}`;
    expect(shown).not.toContain('hunter2');
    expect(err.message).toContain('hunter2');
  });

  test('survives any value', () => {
    fc.assert(
      fc.property(fc.object({ withNullPrototype: true }), (fields) => {
        redactedFields(fields);
      }),
    );
  });

  test('is what every logger gets', () => {
    const lines: unknown[] = [];
    const keep = (fields: object, message?: string): void => void lines.push({ fields, message });
    const logger = safeLogger({ debug: keep, info: keep, warn: keep, error: keep });
    logger.warn({ server: 'nats://u:p@h', token: 'x' }, 'lost nats://u:p@h');
    expect(lines).toEqual([
      { fields: { server: 'nats://***@h', token: '***' }, message: 'lost nats://***@h' },
    ]);
  });
});
