import { describe, expect, test } from 'vitest';
import { payloadBytes } from '../../src/wire/codec.ts';
import { envelopeLimits } from '../../src/wire/envelope.ts';
import type { ClstrError } from '../../src/base/errors.ts';
import { decodeFrame, isCrowded, isFrame } from '../../src/wire/frame-reader.ts';
import { createFrameWriter, encodeBatchError } from '../../src/wire/frame-writer.ts';
import type { InboundEntry } from '../../src/wire/transport.ts';
import { fromHex, record } from './frame-recorder.ts';
import { frameVectors } from '../vectors.ts';

/** The parts of a request by hand, in hex, each replaceable. */
interface Parts {
  kind?: string;
  flags?: string;
  clientId?: string;
  attempt?: string;
  typeLength?: string;
  keyLength?: string;
  headersLength?: string;
  extensionsLength?: string;
  /** Type, key, headers, extensions and payload. */
  rest?: string;
}

/** A batch of one request, type "Get", key "k", no headers, payload "1". */
function requestWith(parts: Parts): Uint8Array {
  const body = [
    parts.flags ?? '02',
    parts.clientId ?? '0000000000000005',
    parts.attempt ?? '0000000000000006',
    '00000007',
    '00001388',
    parts.typeLength ?? '03',
    parts.keyLength ?? '0001',
    parts.headersLength ?? '00000000',
    parts.extensionsLength ?? '0000',
    parts.rest ?? '476574 6b 31',
  ].join('');
  return batchOf(entryOf(parts.kind ?? '01', body));
}

function requestWithHeaders(block: string): Uint8Array {
  const length = (fromHex(block).length >>> 0).toString(16).padStart(8, '0');
  return requestWith({ headersLength: length, rest: `476574 6b ${block} 31` });
}

function entryOf(kind: string, body: string): string {
  return `${kind}${fromHex(body).length.toString(16).padStart(8, '0')}${body}`;
}

function batchOf(...entries: string[]): Uint8Array {
  return fromHex(`c101${entries.join('')}`);
}

function batchWith(texts: string[], isRaw: boolean, key = 'k'): Uint8Array {
  const writer = createFrameWriter();
  for (const text of texts) {
    const payload = isRaw ? new TextEncoder().encode(text) : text;
    writer.message(2 ** 53 - 1, {
      isNotify: false,
      attempt: 0xff_fe_fd,
      shard: 0x80_81,
      type: 'Get',
      key,
      headers: undefined,
      payload,
      isRaw,
      remainingMs: () => 5_000,
    });
  }
  return writer.take();
}

function readMessages(batch: Uint8Array, onMessage: (message: InboundEntry) => void): void {
  const fail = (): never => {
    throw new Error('not a message');
  };
  decodeFrame(batch, { onMessage, onReply: fail, onCancel: fail, onBatchError: fail, onMalformed: fail }, 0);
}

function payloadsOf(batch: Uint8Array): (string | Uint8Array)[] {
  const payloads: (string | Uint8Array)[] = [];
  readMessages(batch, ({ payload }) => payloads.push(payload));
  return payloads;
}

const CANCEL = entryOf('04', '0000000000000005 0000000000000006');
const cancelled = { kind: 'cancel', clientId: 5, attempt: 6 };

const malformed = (reason: string): Record<string, unknown> => ({ kind: 'malformed', reason });

describe('decodeFrame', () => {
  test.each(frameVectors())('reads the golden bytes of $name', ({ hex, result, decoded }) => {
    expect(record(fromHex(hex))).toEqual({ result, entries: decoded });
  });

  test('reads a request whose parts are all by hand', () => {
    expect(record(requestWith({})).entries).toEqual([
      {
        kind: 'request',
        clientId: 5,
        attempt: 6,
        shard: 7,
        ttlMs: 5_000,
        type: 'Get',
        key: 'k',
        headers: null,
        isRaw: false,
        payload: '31',
      },
    ]);
  });

  test('reads from the middle of a larger buffer, and nothing around it', () => {
    const frame = requestWith({});
    const large = new Uint8Array(frame.length + 40).fill(0xc1);
    large.set(frame, 17);
    expect(record(large.subarray(17, 17 + frame.length))).toEqual(record(frame));
  });

  test.each([
    ['raw bytes', 'aaaa', true],
    ['text beyond ASCII', 'aéa', false],
    ['text whose last byte alone is beyond ASCII', `${'a'.repeat(62)}\u{80}`, false],
    ['a long text', 'a'.repeat(4_097), false],
  ])('hands %s out as a view, without a copy', (_what, text, isRaw) => {
    const batch = batchWith([text], isRaw);
    const payload = payloadsOf(batch)[0] as Uint8Array;
    expect(payload.buffer).toBe(batch.buffer);
    expect(new TextDecoder().decode(payload)).toBe(text);
  });

  test.each(['', 'a', '{"a":1}', '\0\x7f', 'a'.repeat(4_096)])('hands ASCII out as text: %j', (text) => {
    expect(payloadsOf(batchWith([text], false))).toEqual([text]);
  });

  test.each(['', 'k', 'a'.repeat(12), 'a'.repeat(13), 'a'.repeat(25), 'é', `${'a'.repeat(10)}\u{80}`, '\0'])(
    'reads the key %j',
    (key) => {
      const keys: unknown[] = [];
      readMessages(batchWith(['1', '2'], false, key), (message) => keys.push(message.key));
      expect(keys).toEqual([key, key]);
    },
  );

  test('makes no message by a literal, which V8 may come to put among what lives long', () => {
    const messages: InboundEntry[] = [];
    readMessages(batchWith(['1'], false), (message) => messages.push(message));
    expect(messages[0]!.constructor).not.toBe(Object);
  });

  test('makes no text of a batch with a large payload', () => {
    const texts = ['{"n":1}', 'a'.repeat(70_000), '{"n":2}'];
    const payloads = payloadsOf(batchWith(texts, false));
    expect(payloads.map((payload) => typeof payload)).toEqual(['object', 'object', 'object']);
    expect(payloads.map((payload) => new TextDecoder().decode(payloadBytes(payload)))).toEqual(texts);
  });

  test('cuts texts out of a batch that has other bytes around them', () => {
    const texts = ['{"n":1}', 'é', '{"n":2}', '', '{"n":3}'];
    const payloads = payloadsOf(batchWith(texts, false));
    expect(payloads.map((payload) => typeof payload)).toEqual([
      'string',
      'object',
      'string',
      'string',
      'string',
    ]);
    expect(payloads.map((payload) => new TextDecoder().decode(payloadBytes(payload)))).toEqual(texts);
  });

  test.each(['', 'c1', '7b7d', '00', 'c001', 'c2', '01c1'])('takes "%s" for no frame', (hex) => {
    expect(record(fromHex(hex))).toEqual({ result: 'not-a-frame', entries: [] });
  });

  test.each(['00', '02', '7f', 'ff'])('finds only batch errors in version %s', (version) => {
    const frame = fromHex(`c1${version} ${CANCEL} ${entryOf('00', '414243')} ${CANCEL}`);
    expect(record(frame)).toEqual({
      result: 'unsupported',
      entries: [{ kind: 'batch-error', code: 'UNSUPPORTED_VERSION' }],
    });
  });

  test('checks the entries of another version too, as their form is frozen', () => {
    expect(record(fromHex('c102 01000000ff'))).toEqual({
      result: 'unsupported',
      entries: [malformed('entry longer than the batch')],
    });
  });

  test.each(['05', '7f', 'ff'])('skips entries of the unknown kind %s', (kind) => {
    const frame = batchOf(CANCEL, entryOf(kind, 'abcdef'), entryOf(kind, ''), CANCEL);
    expect(record(frame).entries).toEqual([cancelled, cancelled]);
  });

  test('reads the code of a batch error, and takes an unknown one for another version', () => {
    expect(record(encodeBatchError('OVERLOADED')).entries).toEqual([
      { kind: 'batch-error', code: 'OVERLOADED' },
    ]);
    for (const code of ['', 'ff', '5858', '41'.repeat(300)]) {
      expect(record(batchOf(entryOf('00', code))).entries).toEqual([
        { kind: 'batch-error', code: 'UNSUPPORTED_VERSION' },
      ]);
    }
  });

  test('gives batch errors as not executed', () => {
    const errors: ClstrError[] = [];
    const none = (): void => {};
    const visitor = { onReply: none, onCancel: none, onMessage: none, onMalformed: none };
    decodeFrame(encodeBatchError('INTERNAL'), { ...visitor, onBatchError: (error) => errors.push(error) }, 0);
    expect(errors).toMatchObject([{ code: 'INTERNAL', outcome: 'not-executed' }]);
  });

  describe('an entry that is malformed is reported and the others are read', () => {
    const cases: { name: string; entry: string; reason: string }[] = [
      { name: 'an empty message', entry: entryOf('01', ''), reason: 'message shorter than its fixed part' },
      {
        name: 'a notify one byte too short',
        entry: entryOf('02', '00'.repeat(33)),
        reason: 'message shorter than its fixed part',
      },
      { name: 'an empty reply', entry: entryOf('03', ''), reason: 'reply shorter than its fixed part' },
      {
        name: 'a reply one byte too short',
        entry: entryOf('03', '00'.repeat(8)),
        reason: 'reply shorter than its fixed part',
      },
      {
        name: 'a reply to an attempt beyond 2^53',
        entry: entryOf('03', '04 0020000000000000'),
        reason: 'attempt id beyond 2^53',
      },
      { name: 'an empty cancel', entry: entryOf('04', ''), reason: 'malformed cancel' },
      {
        name: 'a cancel one byte too short',
        entry: entryOf('04', '00'.repeat(15)),
        reason: 'malformed cancel',
      },
      {
        name: 'a cancel of a client id beyond 2^53',
        entry: entryOf('04', 'ffffffffffffffff 0000000000000001'),
        reason: 'malformed cancel',
      },
      {
        name: 'a cancel of an attempt beyond 2^53',
        entry: entryOf('04', '0000000000000001 0020000000000000'),
        reason: 'malformed cancel',
      },
    ];
    test.each(cases)('$name', ({ entry, reason }) => {
      expect(record(batchOf(CANCEL, entry, CANCEL))).toEqual({
        result: 'decoded',
        entries: [cancelled, malformed(reason), cancelled],
      });
    });
  });

  describe('a message that is malformed is reported', () => {
    const cases: { name: string; frame: Uint8Array; reason: string }[] = [
      {
        name: 'a client id beyond 2^53',
        frame: requestWith({ clientId: '0020000000000000' }),
        reason: 'attempt id beyond 2^53',
      },
      {
        name: 'an attempt beyond 2^53',
        frame: requestWith({ attempt: 'ffffffffffffffff' }),
        reason: 'attempt id beyond 2^53',
      },
      ...(['typeLength', 'keyLength', 'headersLength', 'extensionsLength'] as const).map((part) => ({
        name: `a ${part} beyond the end`,
        frame: requestWith({
          [part]: { typeLength: '06', headersLength: '00000002' }[part as string] ?? '0003',
        }),
        reason: 'message parts longer than the message',
      })),
      {
        name: 'the largest headersLength, which must not wrap around',
        frame: requestWith({ headersLength: 'ffffffff', extensionsLength: 'ffff' }),
        reason: 'message parts longer than the message',
      },
      {
        name: 'a type that is not UTF-8',
        frame: requestWith({ rest: '47ff74 6b 31' }),
        reason: 'text that is not UTF-8',
      },
      {
        name: 'a key that is not UTF-8',
        frame: requestWith({ rest: '476574 80 31' }),
        reason: 'text that is not UTF-8',
      },
      {
        name: 'a key that is half a surrogate pair in disguise',
        frame: requestWith({ keyLength: '0003', rest: '476574 eda080 31' }),
        reason: 'text that is not UTF-8',
      },
      {
        name: 'a header block of one byte',
        frame: requestWithHeaders('00'),
        reason: 'header block shorter than its count',
      },
      {
        name: 'more headers than the limit',
        frame: requestWithHeaders((envelopeLimits.maxHeaders + 1).toString(16).padStart(4, '0')),
        reason: 'too many headers',
      },
      { name: 'a header that is missing', frame: requestWithHeaders('0001'), reason: 'header cut off' },
      {
        name: 'a header without its value',
        frame: requestWithHeaders('0001 0001 61'),
        reason: 'header cut off',
      },
      {
        name: 'a header whose length is cut off',
        frame: requestWithHeaders('0001 0001 61 00'),
        reason: 'header cut off',
      },
      {
        name: 'a header name longer than its block',
        frame: requestWithHeaders('0001 0003 6162'),
        reason: 'header longer than its block',
      },
      {
        name: 'a header value longer than its block, which would reach into the payload',
        frame: requestWithHeaders('0001 0001 61 0002 62'),
        reason: 'header longer than its block',
      },
      {
        name: 'a header name that is not UTF-8',
        frame: requestWithHeaders('0001 0001 ff 0001 62'),
        reason: 'text that is not UTF-8',
      },
      {
        name: 'a header value that is not UTF-8',
        frame: requestWithHeaders('0001 0001 61 0001 ff'),
        reason: 'text that is not UTF-8',
      },
    ];
    test.each(cases)('$name', ({ frame, reason }) => {
      expect(record(frame)).toEqual({ result: 'decoded', entries: [malformed(reason)] });
    });
  });

  describe('a batch that ends inside an entry', () => {
    test.each(['01', '0100', '010000', '01000000'])('is cut off in the entry header %s', (header) => {
      expect(record(fromHex(`c101 ${CANCEL} ${header}`)).entries).toEqual([
        cancelled,
        malformed('entry header cut off'),
      ]);
    });

    test.each(['ffffffff', '80000000', '00000002'])('is shorter than an entry of 0x%s bytes', (length) => {
      expect(record(fromHex(`c101 ${CANCEL} 01 ${length} 00`)).entries).toEqual([
        cancelled,
        malformed('entry longer than the batch'),
      ]);
    });

    test('is refused at every place where it can be cut', () => {
      const frame = requestWith({});
      for (let end = 3; end < frame.length; end++) {
        expect(record(frame.subarray(0, end)).entries).toEqual([
          malformed(end < 7 ? 'entry header cut off' : 'entry longer than the batch'),
        ]);
      }
    });
  });

  test('leaves out a key whose flag is not set, and takes an empty one whose flag is', () => {
    expect(record(requestWith({ flags: '00' })).entries).toMatchObject([{ key: null, payload: '31' }]);
    expect(record(requestWith({ keyLength: '0000', rest: '476574 31' })).entries).toMatchObject([
      { key: '' },
    ]);
  });

  test('skips extensions and unknown flags', () => {
    const frame = requestWith({ flags: 'fe', extensionsLength: '0002', rest: '476574 6b abcd 31' });
    expect(record(frame).entries).toMatchObject([{ key: 'k', payload: '31', isRaw: false }]);
  });

  test('takes a block of no headers, and bytes behind the last header, as they are', () => {
    expect(record(requestWithHeaders('0000')).entries).toMatchObject([{ headers: {}, payload: '31' }]);
    expect(record(requestWithHeaders('0001 0001 61 0001 62 ffff')).entries).toMatchObject([
      { headers: { a: 'b' }, payload: '31' },
    ]);
  });

  test('keeps header names that objects would treat specially as plain names', () => {
    const writer = createFrameWriter();
    const headers = JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>;
    writer.message(1, {
      isNotify: false,
      attempt: 1,
      shard: 0,
      type: 'Get',
      key: undefined,
      headers,
      payload: '',
      isRaw: false,
      remainingMs: () => 1,
    });
    let seen: object | undefined;
    const none = (): void => {};
    const visitor = { onReply: none, onCancel: none, onBatchError: none, onMalformed: none };
    decodeFrame(writer.take(), { ...visitor, onMessage: ({ headers: read }) => (seen = read) }, 0);
    expect(Object.getPrototypeOf(seen)).toBeNull();
    expect(Object.entries(seen!)).toEqual(Object.entries(headers));
  });

  test.each([
    ['no JSON', '7b'],
    ['no UTF-8', 'ff'],
    ['nothing', ''],
  ])('makes INTERNAL of an error record that is %s', (_name, body) => {
    expect(record(batchOf(entryOf('03', `06 0000000000000009 ${body}`))).entries).toMatchObject([
      { kind: 'failure', attempt: 9, error: { code: 'INTERNAL', outcome: 'unknown' } },
    ]);
  });

  test('reads the flags of a reply', () => {
    const flagged = (flags: string): unknown =>
      record(batchOf(entryOf('03', `${flags} ${'00'.repeat(8)} 31`))).entries[0];
    expect(flagged('04')).toMatchObject({ isRaw: false, payload: '31' });
    expect(flagged('05')).toMatchObject({ isRaw: true });
    expect(flagged('00')).toMatchObject({ isRaw: false });
    expect(flagged('f8')).toMatchObject({ kind: 'reply', isRaw: false });
  });

  test('lets an error of the visitor through', () => {
    const none = (): void => {};
    const visitor = { onReply: none, onMessage: none, onBatchError: none, onMalformed: none };
    const onCancel = (): void => {
      throw new Error('visitor');
    };
    expect(() => decodeFrame(batchOf(CANCEL), { ...visitor, onCancel }, 0)).toThrow('visitor');
  });
});

test('isFrame looks at the first byte only', () => {
  expect([isFrame(fromHex('c1')), isFrame(fromHex('7b')), isFrame(new Uint8Array(0))]).toEqual([
    true,
    false,
    false,
  ]);
});

describe('a batch is crowded', () => {
  const batch = (entries: number, version = '01'): Uint8Array =>
    fromHex(`c1${version}${'6300000000'.repeat(entries)}`);

  test('beyond 1,024 entries, whatever they are', () => {
    expect([1, 1_023, 1_024, 1_025, 5_000].map((entries) => isCrowded(batch(entries)))).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
    const messages = (entries: number): Uint8Array => batchWith(new Array<string>(entries).fill('{}'), false);
    expect([isCrowded(messages(1_024)), isCrowded(messages(1_025))]).toEqual([false, true]);
  });

  test('not by its bytes, nor by what follows an entry that is longer than the batch', () => {
    expect(isCrowded(batchWith(['x'.repeat(1_000_000)], true))).toBe(false);
    expect(isCrowded(fromHex(`c10163ffffffff${'6300000000'.repeat(5_000)}`))).toBe(false);
  });

  test('only in this version: others lay their entries out in their own way', () => {
    expect(isCrowded(batch(5_000, '02'))).toBe(false);
  });
});
