import { processorGrowth } from '@clstr/testing/internal';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printable } from '../../src/base/describe.ts';
import { errorFromRecord } from '../../src/wire/error-record.ts';
import type { ErrorRecord } from '../../src/wire/error-record.ts';
import { ClstrError } from '../../src/base/errors.ts';
import type { ErrorCode } from '../../src/base/errors.ts';
import { createFrameWriter, encodeBatchError } from '../../src/wire/frame-writer.ts';
import type { FrameWriter } from '../../src/wire/frame-writer.ts';
import type { OutboundEntry } from '../../src/wire/transport.ts';
import { fromHex, record, toHex } from './frame-recorder.ts';
import { frameVectors } from '../vectors.ts';

function entryOf(more: Partial<OutboundEntry> = {}): OutboundEntry {
  return {
    isNotify: false,
    attempt: 1,
    shard: 7,
    type: 'Get',
    key: undefined,
    headers: undefined,
    payload: '',
    isRaw: false,
    remainingMs: () => 5_000,
    ...more,
  };
}

/** An entry as {@link record} shows it: a message, or what else `kind` says. */
interface Shown {
  readonly kind: string;
  readonly clientId: number;
  readonly attempt: number;
  readonly shard: number;
  readonly ttlMs: number | null;
  readonly type: string;
  readonly key: string | null;
  readonly headers: Record<string, string> | null;
  readonly isRaw: boolean;
  readonly payload: string;
  readonly error: ErrorRecord;
}

/** Writes what {@link record} shows. */
function write(writer: FrameWriter, shown: Record<string, unknown>): void {
  const entry = shown as unknown as Shown;
  const { kind, clientId, attempt, isRaw } = entry;
  if (kind === 'reply') writer.reply(attempt, fromHex(entry.payload), isRaw);
  else if (kind === 'failure') writer.failure(attempt, errorFromRecord(entry.error));
  else if (kind === 'cancel') writer.cancel(clientId, attempt);
  else {
    writer.message(clientId, {
      ...entry,
      isNotify: kind === 'notify',
      key: entry.key ?? undefined,
      headers: entry.headers ?? undefined,
      payload: fromHex(entry.payload),
      remainingMs: () => entry.ttlMs ?? 0xffff_ffff,
    });
  }
}

const attempt = fc.maxSafeNat();
const bytes = fc.uint8Array({ maxLength: 300 });
const hex = bytes.map(toHex);
const text = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: 'grapheme', maxLength });

const message = fc.record({
  kind: fc.constantFrom('request', 'notify'),
  clientId: attempt,
  attempt,
  shard: fc.integer({ min: 0, max: 0xffff_ffff }),
  ttlMs: fc.option(fc.integer({ min: 0, max: 0x7fff_ffff })),
  type: text(10),
  key: fc.option(text(40)),
  headers: fc.option(
    fc.dictionary(fc.oneof(text(8), fc.constantFrom('__proto__', 'constructor', 'toString')), text(30), {
      maxKeys: 64,
    }),
  ),
  isRaw: fc.boolean(),
  payload: hex,
});
const reply = fc.record({
  kind: fc.constant('reply'),
  attempt,
  isRaw: fc.boolean(),
  payload: hex,
});
const failure = fc.record({
  kind: fc.constant('failure'),
  attempt,
  error: fc.record({
    code: fc.constantFrom<ErrorCode>('NOT_OWNER', 'INTERNAL', 'TIMEOUT'),
    // What is not printable comes back escaped.
    message: text(40).map((raw) => printable(raw)),
    outcome: fc.constantFrom('executed', 'not-executed', 'unknown'),
    retryable: fc.boolean(),
  }),
});
const cancel = fc.record({ kind: fc.constant('cancel'), clientId: attempt, attempt });
const batch = fc.array(fc.oneof(message, reply, failure, cancel), { minLength: 1, maxLength: 30 });

describe('createFrameWriter', () => {
  test.each(frameVectors().filter(({ isWritten }) => isWritten))(
    'writes the golden bytes of $name',
    (vector) => {
      const [first] = vector.decoded;
      if (first!['kind'] === 'batch-error') {
        expect(toHex(encodeBatchError(first!['code'] as ErrorCode))).toBe(vector.hex);
        return;
      }
      const writer = createFrameWriter();
      for (const entry of vector.decoded) write(writer, entry);
      expect(toHex(writer.take())).toBe(vector.hex);
    },
  );

  test('writes a vector of every kind of entry', () => {
    const written = frameVectors().filter(({ isWritten }) => isWritten);
    expect(new Set(written.flatMap(({ decoded }) => decoded.map(({ kind }) => kind)))).toEqual(
      new Set(['request', 'notify', 'reply', 'failure', 'cancel', 'batch-error']),
    );
  });

  test('writes batches of any entries so that the reader gives them back', () => {
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 4 }), (batches) => {
        const writer = createFrameWriter();
        const taken = batches.map((entries) => {
          for (const entry of entries) write(writer, entry);
          expect(writer.count).toBe(entries.length);
          const { size } = writer;
          const frame = writer.take();
          expect(frame.length).toBe(size);
          expect([writer.size, writer.count]).toEqual([0, 0]);
          return frame;
        });
        // Read only now: later batches must not have written into earlier ones.
        for (const [i, entries] of batches.entries()) {
          const { result, entries: read } = record(taken[i]!);
          expect(result).toBe('decoded');
          expect(read).toEqual(entries);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('writes text payloads as the bytes of their UTF-8 form', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (payload) => {
        const [asText, asBytes] = [payload, Buffer.from(payload)].map((given) => {
          const writer = createFrameWriter();
          writer.message(1, entryOf({ payload: given }));
          writer.reply(2, given, false);
          return toHex(writer.take());
        });
        expect(asText).toBe(asBytes);
      }),
    );
  });

  test('asks for the time left when it writes', () => {
    let leftMs = 900;
    const entry = entryOf({ remainingMs: () => leftMs });
    leftMs = 700;
    const writer = createFrameWriter();
    writer.message(1, entry);
    expect(record(writer.take()).entries).toMatchObject([{ ttlMs: 700 }]);
  });

  test.each([
    ['text of one byte per character', 'x'.repeat(1_048_576)],
    ['text of three bytes per character', '日'.repeat(349_525)],
    ['bytes', new Uint8Array(1_048_576).fill(171)],
  ])('carries a payload of 1 MiB as %s', (_name, payload) => {
    const writer = createFrameWriter();
    writer.message(1, entryOf({ payload, headers: { a: 'b' }, key: 'k' }));
    writer.reply(2, payload, true);
    const { entries } = record(writer.take());
    const expected = toHex(Buffer.from(payload as string));
    expect(entries.map(({ payload: carried }) => carried === expected)).toEqual([true, true]);
    expect(entries[0]).toMatchObject({ key: 'k', headers: { a: 'b' } });
  });

  test('keeps a batch whole when it outgrows its slab, wherever that happens', () => {
    // Each run ends the first slab of 65,536 bytes somewhere else: in a header, a key, a payload.
    for (let filler = 65_536 - 200; filler < 65_536; filler++) {
      const writer = createFrameWriter();
      writer.reply(1, new Uint8Array(filler).fill(7), true);
      const payload = new Uint8Array(20).fill(9);
      writer.message(3, entryOf({ key: 'user-123', headers: { 'trace-id': 'abcdef' }, payload }));
      writer.cancel(3, 4);
      const { entries } = record(writer.take());
      expect(entries).toHaveLength(3);
      expect(entries[0]!['payload']).toBe('07'.repeat(filler));
      expect(entries.slice(1)).toEqual([
        {
          kind: 'request',
          clientId: 3,
          attempt: 1,
          shard: 7,
          ttlMs: 5_000,
          type: 'Get',
          key: 'user-123',
          headers: { 'trace-id': 'abcdef' },
          isRaw: false,
          payload: '09'.repeat(20),
        },
        { kind: 'cancel', clientId: 3, attempt: 4 },
      ]);
    }
  });

  test('leaves batches that were taken alone, over many slabs', () => {
    const writer = createFrameWriter();
    const taken = Array.from({ length: 3_000 }, (_, i) => {
      writer.reply(i, new Uint8Array(100).fill(i % 251), true);
      return writer.take();
    });
    for (const [i, frame] of taken.entries()) {
      expect(record(frame).entries).toMatchObject([
        { attempt: i, payload: toHex(new Uint8Array(100).fill(i % 251)) },
      ]);
    }
  });

  test('takes the last entry out again, and goes on as if it had never been', () => {
    fc.assert(
      fc.property(batch, message, batch, (before, dropped, after) => {
        const [writer, expected] = [createFrameWriter(), createFrameWriter()];
        for (const entry of before) write(writer, entry);
        const { size, count } = writer;
        write(writer, dropped);
        writer.rollback(size);
        expect([writer.size, writer.count]).toEqual([size, count]);
        for (const entry of after) write(writer, entry);
        for (const entry of [...before, ...after]) write(expected, entry);
        expect(toHex(writer.take())).toBe(toHex(expected.take()));
      }),
      { numRuns: 200 },
    );
  });

  test('takes the only entry out again, also when it was larger than a slab', () => {
    const writer = createFrameWriter();
    writer.reply(1, new Uint8Array(100_000), true);
    writer.rollback(0);
    expect([writer.size, writer.count]).toEqual([0, 0]);
    writer.cancel(5, 6);
    expect(record(writer.take()).entries).toEqual([{ kind: 'cancel', clientId: 5, attempt: 6 }]);
  });

  test('takes time in proportion for a batch of any size', async () => {
    const error = new ClstrError('OVERLOADED', 'x'.repeat(150));
    const growth = await processorGrowth(1_500, Number, (count) => {
      const writer = createFrameWriter();
      for (let i = 0; i < count; i++) writer.failure(i, error);
      return writer.take();
    });
    expect(growth).toBeLessThan(4);
  });

  test('takes nothing from an empty batch', () => {
    const writer = createFrameWriter();
    expect(writer.take()).toHaveLength(0);
    writer.cancel(1, 2);
    writer.take();
    expect(writer.take()).toHaveLength(0);
    writer.cancel(3, 4);
    expect(record(writer.take()).entries).toEqual([{ kind: 'cancel', clientId: 3, attempt: 4 }]);
  });
});

describe('encodeBatchError', () => {
  test('is a batch of its own that names the code', () => {
    expect(toHex(encodeBatchError('UNSUPPORTED_VERSION'))).toBe(
      toHex(fromHex('c1 01  00 00000013  554e535550504f525445445f56455253494f4e')),
    );
  });
});
