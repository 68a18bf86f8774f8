import { readFileSync } from 'node:fs';
import { ActorError, ClstrError, isClstrError } from '@clstr/core';
import { envelopeLimits } from '@clstr/core/wire';
import type { OutboundEntry } from '@clstr/core/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeEnvelope,
  encodeFailure,
  encodeReply,
  parseEnvelope,
  parseReply,
} from '../src/json-envelope.ts';
import type { ParsedEnvelope } from '../src/json-envelope.ts';

interface GoEnvelope {
  readonly shard: number;
  readonly type: string;
  readonly data: string | null;
  readonly reply_to?: string;
  readonly headers?: Record<string, string>;
  readonly ttl_ms?: number;
  readonly created_at_ms?: number;
}

const KEY_HEADER = 'x-clstr-key';

const url = new URL('../../../test/vectors/clstr-go.json', import.meta.url);
const golden = (
  JSON.parse(readFileSync(url, 'utf8')) as {
    envelopes: { envelope: GoEnvelope; json: string; dataUtf8: string }[];
  }
).envelopes;

const encoder = new TextEncoder();
const parse = (text: string): ParsedEnvelope => parseEnvelope(encoder.encode(text), 12.5);
const parseValue = (value: unknown): ParsedEnvelope => parse(JSON.stringify(value));
const reply = (text: string) => parseReply(encoder.encode(text));

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

describe('the golden envelopes of the Go implementation', () => {
  test('are five', () => {
    expect(golden).toHaveLength(5);
  });

  test.each(golden)('are read: $json', ({ envelope, json, dataUtf8 }) => {
    const { entry, replyTo } = parse(json);
    const { [KEY_HEADER]: key, ...own } = envelope.headers ?? {};
    expect(entry).toMatchObject({
      shard: envelope.shard,
      type: envelope.type,
      isNotify: envelope.reply_to === undefined,
      clientId: 0,
      attempt: 0,
      isRaw: false,
      receivedAtMs: 12.5,
    });
    expect(entry.key).toBe(key);
    expect({ ...entry.headers }).toEqual(own);
    expect(entry.ttlMs).toBe(envelope.ttl_ms);
    expect(Buffer.from(entry.payload).toString()).toBe(dataUtf8);
    expect(Buffer.from(entry.payload).toString('base64')).toBe(envelope.data ?? '');
    expect(replyTo).toBe(envelope.reply_to);
  });

  test.each(golden)(
    'are written, with the time budget that every message has here: $json',
    ({ envelope, json }) => {
      const { entry, replyTo } = parse(json);
      const text = encodeEnvelope(
        { ...entry, remainingMs: () => envelope.ttl_ms ?? 5_000 },
        replyTo,
        envelope.created_at_ms ?? 1_767_225_600_000.7,
      );
      expect(JSON.parse(text)).toEqual({ ttl_ms: 5_000, created_at_ms: 1_767_225_600_000, ...envelope });
    },
  );
});

describe('an envelope', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 });
  const name = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'X-Clstr-Key'));
  const message = fc.record({
    isNotify: fc.boolean(),
    shard: fc.nat(),
    type: text,
    key: fc.option(text, { nil: undefined }),
    headers: fc.option(
      fc.dictionary(
        name.filter((given) => given !== KEY_HEADER),
        text,
        { minKeys: 1, maxKeys: 64, noNullPrototype: false },
      ),
      { nil: undefined },
    ),
    payload: fc.uint8Array({ maxLength: 200 }),
    isRaw: fc.boolean(),
    ttlMs: fc.nat(),
  });

  test('is read as it was written', () => {
    fc.assert(
      fc.property(message, ({ ttlMs, ...rest }) => {
        const entry = { ...entryOf(), ...rest, remainingMs: () => ttlMs };
        const replyTo = rest.isNotify ? undefined : '_INBOX.a.1';
        const parsed = parse(encodeEnvelope(entry, replyTo, 0));
        expect(parsed.replyTo).toBe(replyTo);
        const { payload, headers, ...read } = parsed.entry;
        expect(read).toEqual({
          isNotify: rest.isNotify,
          clientId: 0,
          attempt: 0,
          shard: rest.shard,
          type: rest.type,
          key: rest.key,
          isRaw: rest.isRaw,
          ttlMs,
          receivedAtMs: 12.5,
        });
        expect(Buffer.from(payload).equals(rest.payload)).toBe(true);
        expect(headers === undefined ? undefined : Object.entries(headers).sort()).toEqual(
          rest.headers === undefined ? undefined : Object.entries(rest.headers).sort(),
        );
      }),
    );
  });

  test('carries text and a view into a larger buffer as exactly their bytes', () => {
    const view = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
    expect([...parse(encodeEnvelope(entryOf({ payload: view }), undefined, 0)).entry.payload]).toEqual([
      1, 2, 3,
    ]);
    const { payload } = parse(encodeEnvelope(entryOf({ payload: '日本' }), undefined, 0)).entry;
    expect(Buffer.from(payload).toString()).toBe('日本');
  });

  test('keeps headers without a prototype, the key apart from them', () => {
    const { entry } = parse(
      '{"shard":1,"type":"T","headers":{"__proto__":"p","x-clstr-key":"k","x-clstr-other":"o"}}',
    );
    expect(entry.key).toBe('k');
    expect(Object.getPrototypeOf(entry.headers)).toBeNull();
    expect(Object.entries(entry.headers!)).toEqual([
      ['__proto__', 'p'],
      ['x-clstr-other', 'o'],
    ]);
  });

  test.each([
    ['null for whatever may be absent', { data: null, reply_to: null, headers: null, ttl_ms: null }],
    ['nothing of what may be absent', {}],
    ['empty text for data and reply_to', { data: '', reply_to: '' }],
  ])('may hold %s', (_name, more) => {
    const { entry, replyTo } = parseValue({ shard: 1, type: 'T', ...more });
    expect(entry).toMatchObject({ isNotify: true, key: undefined, headers: undefined, ttlMs: undefined });
    expect(entry.payload).toHaveLength(0);
    expect(replyTo).toBeUndefined();
  });

  test('may hold fields that are not known, and times that are not read', () => {
    expect(parseValue({ shard: 1, type: 'T', created_at_ms: 'never', more: [1] }).entry.type).toBe('T');
  });

  test('may hold as many headers as the limit, and the key', () => {
    const headers: Record<string, string> = { [KEY_HEADER]: 'k' };
    for (let i = 0; i < envelopeLimits.maxHeaders; i++) headers[`h${i}`] = 'v';
    expect(Object.keys(parseValue({ shard: 1, type: 'T', headers }).entry.headers!)).toHaveLength(64);
    expect(() => parseValue({ shard: 1, type: 'T', headers: { ...headers, more: 'v' } })).toThrow(
      expect.objectContaining({ code: 'INVALID_ENVELOPE' }),
    );
  });

  test.each([
    ['no JSON', new Uint8Array([0x7b]), 'is not JSON'],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 'is not JSON'],
    ['empty', new Uint8Array(0), 'is not JSON'],
    ['a list', encoder.encode('[]'), 'must be an object, got an array'],
    ['null', encoder.encode('null'), 'must be an object, got null'],
    ['text', encoder.encode('"a"'), 'must be an object, got "a"'],
    [
      'brackets without end',
      encoder.encode('{"headers":'.repeat(16_385)),
      'more than 16384 arrays and objects',
    ],
    [
      'very many members',
      encoder.encode(JSON.stringify(Array.from({ length: 16_385 }, () => 1)).replaceAll('1', '{"a":1}')),
      'more than 16384',
    ],
  ])('that is %s is refused', (_name, bytes, message) => {
    expect(() => parseEnvelope(bytes, 0)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ENVELOPE',
        outcome: 'not-executed',
        message: expect.stringContaining(message),
      }),
    );
  });

  test.each([
    ['shard', [undefined, null, '1', -1, 1.5, {}]],
    ['type', [undefined, null, 5, {}]],
    ['ttl_ms', ['5', {}, true]],
    ['data', [5, {}, 'a', 'abc', 'ab=c', '====', 'ab==cd==', 'a b=', 'YW-_']],
    ['headers', [5, 'a', [], { a: 5 }, { a: null }, { [KEY_HEADER]: 5 }]],
  ])('with a bad %s is refused, and the error says where to reply', (field, values) => {
    for (const value of values) {
      expect(() => parseValue({ shard: 1, type: 'T', reply_to: '_INBOX.a', [field]: value })).toThrow(
        expect.objectContaining({
          code: 'INVALID_ENVELOPE',
          outcome: 'not-executed',
          details: { replyTo: '_INBOX.a' },
        }),
      );
      expect(() => parseValue({ shard: 1, type: 'T', [field]: value })).toThrow(
        expect.objectContaining({ code: 'INVALID_ENVELOPE', details: undefined }),
      );
    }
  });

  test.each([[5], [{}], [[]], [true]])('with the reply_to %j is refused without a reply', (replyTo) => {
    expect(() => parseValue({ shard: 1, type: 'T', reply_to: replyTo })).toThrow(
      expect.objectContaining({ code: 'INVALID_ENVELOPE', details: undefined }),
    );
  });
});

describe('a reply', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (payload, isRaw) => {
        const parsed = reply(encodeReply(payload, isRaw));
        expect(parsed.error).toBeUndefined();
        expect(parsed.isRaw).toBe(isRaw);
        expect(Buffer.from(parsed.payload).equals(payload)).toBe(true);
      }),
    );
    expect(Buffer.from(reply(encodeReply('"ü"', false)).payload).toString()).toBe('"ü"');
  });

  test('has the form of the Go implementation', () => {
    expect(encodeReply('{"n":1}', false)).toBe('{"data":"eyJuIjoxfQ=="}');
    expect(encodeReply('', false)).toBe('{"data":"bnVsbA==","no_value":true}');
    expect(encodeReply(new Uint8Array(0), false)).toBe('{}');
    expect(JSON.parse(encodeFailure(new ClstrError('NOT_OWNER', 'elsewhere')))).toEqual({
      err: 'NOT_OWNER: elsewhere',
      error: { code: 'NOT_OWNER', message: 'elsewhere', outcome: 'not-executed', retryable: true },
    });
  });

  test.each([
    new ClstrError('OVERLOADED', 'full', { details: { inFlight: 5 } }),
    new ClstrError('PAYLOAD_TOO_LARGE', 'large', { outcome: 'executed' }),
    new ActorError('NO_SUCH_USER', 'who?', { id: '123' }),
  ])('with the error $code brings it back whole', (error) => {
    const { error: read, payload } = reply(encodeFailure(error));
    const { code, message, outcome, retryable, details } = error;
    expect(read).toMatchObject({ code, message, outcome, retryable, details });
    expect((read as ActorError).actorCode).toBe((error as ActorError).actorCode);
    expect(payload).toHaveLength(0);
  });

  test('of a Go peer that failed is an error of unknown outcome', () => {
    expect(reply('{"err":"boom"}').error).toMatchObject({
      code: 'HANDLER_ERROR',
      message: 'boom',
      outcome: 'unknown',
      retryable: false,
    });
    expect(reply('{"err":"","data":"MQ=="}').error).toBeUndefined();
    expect(reply('{"err":null,"error":null}').error).toBeUndefined();
  });

  test.each(['{"err":5}', '{"err":{"code":1}}', '{"err":true}', '{"error":"boom"}', '{"error":5,"err":""}'])(
    'that failed in an unknown form is not a success: %s',
    (text) => {
      expect(reply(text).error).toMatchObject({ outcome: 'unknown', retryable: false });
    },
  );

  test.each(['', '[]', 'null', '{', '{"data":5}', '{"data":"a"}'])(
    'that cannot be read is INVALID_ENVELOPE, executed: %j',
    (text) => {
      expect(() => reply(text)).toThrow(
        expect.objectContaining({ code: 'INVALID_ENVELOPE', outcome: 'executed' }),
      );
    },
  );
});

/** One for each way through the parser, by what the parsed value shows or the error says. */
const BRANCHES: Readonly<Record<string, (result: unknown) => boolean>> = {
  request: (result) => isEnvelope(result) && !result.entry.isNotify,
  notify: (result) => isEnvelope(result) && result.entry.isNotify,
  key: (result) => isEnvelope(result) && result.entry.key !== undefined,
  'no key': (result) => isEnvelope(result) && result.entry.key === undefined,
  headers: (result) => isEnvelope(result) && result.entry.headers !== undefined,
  'no headers': (result) => isEnvelope(result) && result.entry.headers === undefined,
  'time budget': (result) => isEnvelope(result) && result.entry.ttlMs !== undefined,
  'no time budget': (result) => isEnvelope(result) && result.entry.ttlMs === undefined,
  payload: (result) => isEnvelope(result) && result.entry.payload.length > 0,
  'no payload': (result) => isEnvelope(result) && result.entry.payload.length === 0,
  raw: (result) => isEnvelope(result) && result.entry.isRaw,
  'no JSON': (result) => says(result, 'is not JSON'),
  'no object': (result) => says(result, 'must be an object'),
  'bad reply_to': (result) => says(result, "envelope's reply_to"),
  'bad shard': (result) => says(result, "envelope's shard"),
  'bad type': (result) => says(result, "envelope's type"),
  'bad ttl_ms': (result) => says(result, "envelope's ttl_ms"),
  'bad data': (result) => says(result, "envelope's data"),
  'headers of another type': (result) => says(result, "envelope's headers must be an object"),
  'too many headers': (result) => says(result, "envelope's headers must be fewer"),
  'bad header': (result) => says(result, "envelope's header "),
  'refusal that can be told': (result) => isRefusal(result) && result.details !== undefined,
  'refusal that cannot be told': (result) => isRefusal(result) && result.details === undefined,
};

function isEnvelope(result: unknown): result is ParsedEnvelope {
  return !(result instanceof Error);
}

function isRefusal(result: unknown): result is ClstrError {
  return result instanceof Error;
}

function says(result: unknown, text: string): boolean {
  return isRefusal(result) && result.message.includes(text);
}

/** Well-formed values to put where they do not belong. */
const VALUES: readonly string[] = [
  'null',
  'true',
  '0',
  '-1',
  '1.5',
  '1e999',
  '""',
  '"a"',
  '"YWJj"',
  '"_INBOX.a.1"',
  '[]',
  '{}',
  '{"a":"b"}',
  '{"a":1}',
  '{"x-clstr-key":"k"}',
  '{"__proto__":{"polluted":1}}',
  '[[[[[[]]]]]]',
  `{${Array.from({ length: 70 }, (_, i) => `"h${i}":"v"`).join(',')}}`,
];
const FIELDS = ['shard', 'type', 'data', 'reply_to', 'headers', 'ttl_ms', 'raw', '__proto__', 'toString'];
const ENVELOPES = 100_000;

type Change =
  | { do: 'value'; field: number; value: number }
  | { do: 'byte'; at: number; byte: number }
  | { do: 'cut'; at: number }
  | { do: 'wrap' };

test(
  'reads 100,000 mutated envelopes without a hang or any other error, and reaches every branch',
  { timeout: 60_000 },
  () => {
    const texts = [
      ...golden.map(({ json }) => json),
      '{"shard":1,"type":"T","headers":{"a":"b","__proto__":"c"},"raw":true,"data":"AAEC","reply_to":"_INBOX.a.1"}',
    ];
    const builtins = Object.getOwnPropertyNames(Object.prototype).sort();
    const counts = new Map<string, number>(Object.keys(BRANCHES).map((name) => [name, 0]));
    let read = 0;
    let refused = 0;
    const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 0x7fff_ffff);
    console.log(`envelope fuzz seed ${seed} (repeat it with FUZZ_SEED=${seed})`);

    const check = (index: number, changes: readonly Change[]): void => {
      let bytes = encoder.encode(texts[index]);
      for (const change of changes) bytes = applied(bytes, change);
      let result: unknown;
      try {
        result = parseEnvelope(bytes, 0);
        read++;
      } catch (error) {
        result = error;
        refused++;
        expect(isClstrError(error, 'INVALID_ENVELOPE')).toBe(true);
      }
      for (const [name, isReached] of Object.entries(BRANCHES)) {
        if (isReached(result)) counts.set(name, counts.get(name)! + 1);
      }
      // The same bytes as a reply: anything goes but another error.
      try {
        parseReply(bytes);
      } catch (error) {
        expect(isClstrError(error, 'INVALID_ENVELOPE')).toBe(true);
      }
    };
    fc.assert(fc.property(fc.nat({ max: texts.length - 1 }), fc.array(changeOf(), { maxLength: 3 }), check), {
      numRuns: ENVELOPES,
      seed,
      endOnFailure: true,
    });

    expect(read + refused).toBe(ENVELOPES);
    const rows = [...counts].map(
      ([name, count]) => `${((100 * count) / ENVELOPES).toFixed(2).padStart(7)} %  ${name}`,
    );
    console.log(
      `${ENVELOPES} envelopes: ${read} read, ${refused} refused; share that reached each branch:\n${rows.join('\n')}`,
    );
    expect([...counts].filter(([, count]) => count === 0)).toEqual([]);
    expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(builtins);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  },
);

function changeOf(): fc.Arbitrary<Change> {
  const at = fc.nat({ max: 255 });
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('value' as const),
        field: fc.nat({ max: FIELDS.length - 1 }),
        value: fc.nat({ max: VALUES.length - 1 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('byte' as const), at, byte: fc.nat({ max: 255 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), at }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('wrap' as const) }) },
  );
}

function applied(bytes: Uint8Array<ArrayBuffer>, change: Change): Uint8Array<ArrayBuffer> {
  switch (change.do) {
    case 'value': {
      // A name given twice: the last one counts.
      const text = new TextDecoder().decode(bytes);
      return encoder.encode(`${text.slice(0, -1)},"${FIELDS[change.field]!}":${VALUES[change.value]!}}`);
    }
    case 'byte': {
      const copy = new Uint8Array(bytes);
      if (copy.length > 0) copy[change.at % copy.length] = change.byte;
      return copy;
    }
    case 'cut':
      return bytes.slice(0, change.at % (bytes.length + 1));
    case 'wrap':
      return Uint8Array.from([0x5b, ...bytes, 0x5d]);
  }
}
