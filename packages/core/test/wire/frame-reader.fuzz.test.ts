/** 100,000 frames with something wrong in them: the reader must neither throw nor hang, and reach all its branches. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ClstrError } from '../../src/base/errors.ts';
import { decodeFrame } from '../../src/wire/frame-reader.ts';
import type { FrameVisitor } from '../../src/wire/frame-reader.ts';
import { createFrameWriter } from '../../src/wire/frame-writer.ts';
import { fromHex } from './frame-recorder.ts';
import { frameVectors } from '../vectors.ts';

const FRAMES = 100_000;

/** One for each way through the decoder. */
const BRANCHES = [
  'result: not-a-frame',
  'result: unsupported',
  'result: decoded',
  'entry: none',
  'entry: unknown kind skipped',
  'batch error: known code',
  'batch error: unknown code',
  'message: request',
  'message: notify',
  'message: no time budget',
  'message: time budget',
  'message: key',
  'message: no key',
  'message: raw',
  'message: encoded',
  'message: no headers',
  'message: empty headers',
  'message: headers',
  'reply: value',
  'reply: raw value',
  'reply: error',
  'reply: error of an unknown code',
  'reply: error that cannot be read',
  'cancel',
  'malformed: entry header cut off',
  'malformed: entry longer than the batch',
  'malformed: message shorter than its fixed part',
  'malformed: message parts longer than the message',
  'malformed: attempt id beyond 2^53',
  'malformed: text that is not UTF-8',
  'malformed: header block shorter than its count',
  'malformed: too many headers',
  'malformed: header cut off',
  'malformed: header longer than its block',
  'malformed: reply shorter than its fixed part',
  'malformed: malformed cancel',
] as const;
type Branch = (typeof BRANCHES)[number];

/** Notes which branches one frame reached. */
class BranchVisitor implements FrameVisitor {
  readonly reached = new Set<string>();
  entries = 0;

  add(...branches: Branch[]): void {
    for (const branch of branches) this.reached.add(branch);
  }

  onMessage({
    isNotify,
    ttlMs,
    key,
    isRaw,
    headers,
    payload,
    type,
  }: Parameters<FrameVisitor['onMessage']>[0]): void {
    this.entries++;
    expect(typeof type).toBe('string');
    this.#checkPayload(payload, isRaw);
    this.add(
      isNotify ? 'message: notify' : 'message: request',
      ttlMs === undefined ? 'message: no time budget' : 'message: time budget',
      key === undefined ? 'message: no key' : 'message: key',
      isRaw ? 'message: raw' : 'message: encoded',
    );
    if (headers === undefined) this.add('message: no headers');
    else this.add(Object.keys(headers).length === 0 ? 'message: empty headers' : 'message: headers');
  }

  onReply(_attempt: number, payload: string | Uint8Array, isRaw: boolean, error?: ClstrError): void {
    this.entries++;
    this.#checkPayload(payload, isRaw);
    if (error === undefined) this.add(isRaw ? 'reply: raw value' : 'reply: value');
    else if (error.message === 'the peer sent an error that cannot be read') {
      this.add('reply: error that cannot be read');
    } else
      this.add(error.details?.['code'] === undefined ? 'reply: error' : 'reply: error of an unknown code');
  }

  #checkPayload(payload: string | Uint8Array, isRaw: boolean): void {
    if (typeof payload === 'string' && !isRaw) expect(payload).toMatch(/^[\0-\x7f]*$/);
    else expect(payload).toBeInstanceOf(Uint8Array);
  }

  onCancel(): void {
    this.entries++;
    this.add('cancel');
  }

  onBatchError({ code }: ClstrError): void {
    this.entries++;
    this.add(code === 'UNSUPPORTED_VERSION' ? 'batch error: unknown code' : 'batch error: known code');
  }

  onMalformed(reason: string): void {
    this.entries++;
    this.reached.add(`malformed: ${reason}`);
  }
}

/** Well-formed batches to begin with: the golden ones, and some that they do not have. */
function corpus(): Uint8Array[] {
  const writer = createFrameWriter();
  const message = {
    attempt: 1,
    shard: 7,
    type: 'Get',
    key: 'k',
    payload: '{}',
    isRaw: false,
    remainingMs: () => 9,
  };
  const names = ['a', '__proto__', 'constructor'];
  for (const count of [1, 2, 3]) {
    const headers = Object.fromEntries(names.slice(0, count).map((name) => [name, name]));
    writer.message(5, { ...message, isNotify: count === 2, headers });
  }
  const many = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`h${i}`, 'v']));
  const mixed = writer.take();
  writer.message(5, { ...message, isNotify: false, headers: many });
  const polluting = '{"code":"X","__proto__":{"polluted":1},"details":{"__proto__":{"polluted":1}}}';
  const body = Buffer.from(polluting).toString('hex');
  const length = (9 + polluting.length).toString(16).padStart(8, '0');
  return [
    ...frameVectors().map(({ hex }) => fromHex(hex)),
    mixed,
    writer.take(),
    fromHex(`c101 03 ${length} 06 0000000000000001 ${body}`),
    fromHex('c101 00 0000000a 4f5645524c4f41444544'), // OVERLOADED
    fromHex(`c101 01 0000002a 00 ${'00'.repeat(24)} 03 0000 00000002 0000 476574 0000 313131`),
    fromHex(`c101 01 00000026 00 ${'00'.repeat(24)} 03 0000 00000001 0000 476574 00`),
    fromHex(`c101 04 00000010 ${'00'.repeat(16)} 04 0000000f ${'00'.repeat(15)}`),
    fromHex('c101 63 00000000'),
  ];
}

/** What is done to a frame: each takes the bytes and three numbers to choose with. */
const MUTATIONS: readonly ((bytes: Uint8Array, a: number, b: number, c: number) => Uint8Array)[] = [
  (bytes) => bytes,
  // One byte, anything.
  (bytes, at, value) => changed(bytes, at, value),
  // One bit.
  (bytes, at, bit) => changed(bytes, at, (bytes[at % Math.max(1, bytes.length)] ?? 0) ^ (1 << (bit % 8))),
  // One byte to a value at an edge, in the part where lengths and flags are.
  (bytes, at, pick) => changed(bytes, at % 48, [0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff][pick % 8]!),
  // Two bytes at once.
  (bytes, at, other, value) => changed(changed(bytes, at, value), other, value >> 3),
  (bytes, end) => bytes.subarray(0, end % (bytes.length + 1)),
  (bytes, at, length) =>
    Uint8Array.from([...bytes.subarray(0, at % (bytes.length + 1)), ...new Uint8Array(length % 9)]),
  // A piece out of the middle.
  (bytes, at, length) => {
    const from = at % (bytes.length + 1);
    return Uint8Array.from([...bytes.subarray(0, from), ...bytes.subarray(from + (length % 7))]);
  },
  // Noise behind a batch header.
  (_bytes, a, length, c) => {
    const noise = Array.from({ length: length % 200 }, (_, i) => Math.imul(a + i, c | 1) >>> (i % 24));
    return Uint8Array.from([0xc1, 1, ...noise]);
  },
  // The same entries twice.
  (bytes) => Uint8Array.from([...bytes, ...bytes.subarray(2)]),
];

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  if (copy.length > 0) copy[at % copy.length] = value;
  return copy;
}

test(
  'reads 100,000 mutated frames without a throw or a hang, and reaches every branch',
  { timeout: 60_000 },
  () => {
    const frames = corpus();
    const builtins = Object.getOwnPropertyNames(Object.prototype).sort();
    const counts = new Map<string, number>(BRANCHES.map((branch) => [branch, 0]));
    let read = 0;
    let refused = 0;
    const number = fc.nat({ max: 0xffff });
    const mutation = fc.tuple(fc.nat({ max: MUTATIONS.length - 1 }), number, number, number);
    const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 0x7fff_ffff);
    console.log(`frame fuzz seed ${seed} (repeat it with FUZZ_SEED=${seed})`);

    const check = (index: number, mutations: readonly [number, number, number, number][]): void => {
      let bytes = frames[index]!;
      for (const [which, a, b, c] of mutations) bytes = MUTATIONS[which]!(bytes, a, b, c);
      const visitor = new BranchVisitor();
      const result = decodeFrame(bytes, visitor, 0);
      visitor.reached.add(`result: ${result}`);
      if (result === 'decoded' && visitor.entries === 0) {
        visitor.add(bytes.length === 2 ? 'entry: none' : 'entry: unknown kind skipped');
      }
      // An entry has at least its header: this bounds the work by the bytes.
      expect(visitor.entries).toBeLessThanOrEqual(bytes.length / 5 + 1);
      const isRefused =
        result !== 'decoded' || [...visitor.reached].some((name) => name.startsWith('malformed'));
      if (isRefused) refused++;
      else read++;
      for (const name of visitor.reached) counts.set(name, (counts.get(name) ?? 0) + 1);
    };
    fc.assert(
      fc.property(
        fc.nat({ max: frames.length - 1 }),
        fc.array(mutation, { minLength: 0, maxLength: 3 }),
        check,
      ),
      { numRuns: FRAMES, seed, endOnFailure: true },
    );

    expect(read + refused).toBe(FRAMES);
    const rows = [...counts].map(
      ([name, count]) => `${((100 * count) / FRAMES).toFixed(2).padStart(7)} %  ${name}`,
    );
    console.log(
      `${FRAMES} frames: ${read} read, ${refused} refused; share that reached each branch:\n${rows.join('\n')}`,
    );
    expect([...counts.keys()].sort()).toEqual([...BRANCHES].sort());
    expect([...counts].filter(([, count]) => count === 0)).toEqual([]);
    expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(builtins);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  },
);
