/**
 * BLAKE2b's compression function (RFC 7693, 3.2) as a WebAssembly module, assembled from the tables of the RFC: 1.2 kB,
 * below the 4 kB that some browsers allow a module that is compiled without waiting.
 */

/** Offsets in the module's memory of the state (eight words), the block (sixteen), and the word that each step takes. */
export const STATE = 0;
export const BLOCK = 64;
const SCHEDULE = 192;
export const BLOCK_BYTES = 128;

/** RFC 7693, 2.6. */
export const IV: readonly bigint[] = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
];

/** RFC 7693, 2.7: which word of the block each step of a round takes. The twelve rounds begin anew after the tenth. */
const SIGMA: readonly (readonly number[])[] = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const ROUNDS = 12;
const STEPS = 16;

/** The words that each call of the mixing function G works on: columns, then diagonals. */
const MIXED = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

/** What the module exports. */
export interface Blake2bModule {
  readonly memory: { readonly buffer: ArrayBuffer };
  /**
   * Mixes the block into the state. `bytes` counts all that were hashed; `last` is -1 for the last block, otherwise 0.
   */
  readonly compress: (bytes: number, last: number) => void;
}

/** The bytes of the module. */
export function blake2bModule(): Uint8Array<ArrayBuffer> {
  const body = [...LOCALS, ...compress(), op.end];
  return Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    0x01,
    0x00,
    0x00,
    0x00,
    ...section(1, [1, 0x60, 2, type.i32, type.i32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('compress'), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
    ...section(11, [1, 0, ...i32(SCHEDULE), op.end, ...unsigned(ROUNDS * STEPS), ...schedule()]),
  ]);
}

/** Parameters and locals: the work vector v of sixteen words, then where the round's row of the schedule begins. */
const BYTES = 0;
const LAST = 1;
const V = 2;
const ROW = 18;
const type = { i32: 0x7f, i64: 0x7e };
const LOCALS = [2, 16, type.i64, 1, type.i32];

const op = {
  loop: 0x03,
  end: 0x0b,
  branchIf: 0x0d,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  load: 0x29,
  load8: 0x2d,
  store: 0x37,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Below: 0x49,
  i32Add: 0x6a,
  add: 0x7c,
  xor: 0x85,
  rotateRight: 0x8a,
  extendSigned: 0xac,
  extendUnsigned: 0xad,
};
const NO_RESULT = 0x40;
/** Alignment of a load or store: 2^3 bytes. */
const ALIGNED = 3;

function compress(): number[] {
  const words = [0, 1, 2, 3, 4, 5, 6, 7];
  return [
    ...words.flatMap((i) => [...i32(0), op.load, ALIGNED, ...unsigned(STATE + 8 * i), ...set(V + i)]),
    ...words.flatMap((i) => [...i64(IV[i]!), ...set(V + 8 + i)]),
    ...get(V + 12),
    ...get(BYTES),
    op.extendUnsigned,
    op.xor,
    ...set(V + 12),
    ...get(V + 14),
    ...get(LAST),
    op.extendSigned,
    op.xor,
    ...set(V + 14),
    op.loop,
    NO_RESULT,
    ...round(),
    ...get(ROW),
    ...i32(STEPS),
    op.i32Add,
    ...tee(ROW),
    ...i32(ROUNDS * STEPS),
    op.i32Below,
    op.branchIf,
    0,
    op.end,
    ...words.flatMap((i) => [
      ...i32(0),
      ...i32(0),
      op.load,
      ALIGNED,
      ...unsigned(STATE + 8 * i),
      ...get(V + i),
      op.xor,
      ...get(V + 8 + i),
      op.xor,
      op.store,
      ALIGNED,
      ...unsigned(STATE + 8 * i),
    ]),
  ];
}

function round(): number[] {
  return MIXED.flatMap((words, i) => [
    ...halfOfG(words, 2 * i, { d: 32, b: 24 }),
    ...halfOfG(words, 2 * i + 1, { d: 16, b: 63 }),
  ]);
}

/** a += b + word; d = (d ^ a) >>> rotations.d; c += d; b = (b ^ c) >>> rotations.b */
function halfOfG(
  [a, b, c, d]: (typeof MIXED)[number],
  step: number,
  rotations: { d: number; b: number },
): number[] {
  const word = [...get(ROW), op.load8, 0, ...unsigned(SCHEDULE + step), op.load, ALIGNED, ...unsigned(BLOCK)];
  return [
    ...get(V + a),
    ...get(V + b),
    op.add,
    ...word,
    op.add,
    ...tee(V + a),
    ...get(V + d),
    op.xor,
    ...i64(BigInt(rotations.d)),
    op.rotateRight,
    ...tee(V + d),
    ...get(V + c),
    op.add,
    ...tee(V + c),
    ...get(V + b),
    op.xor,
    ...i64(BigInt(rotations.b)),
    op.rotateRight,
    ...set(V + b),
  ];
}

/** Where in the block each step of each round finds its word. */
function schedule(): number[] {
  return Array.from({ length: ROUNDS }, (_, i) => SIGMA[i % SIGMA.length]!.map((word) => 8 * word)).flat();
}

function get(local: number): number[] {
  return [op.localGet, local];
}

function set(local: number): number[] {
  return [op.localSet, local];
}

/** Sets the local and leaves its value on the stack. */
function tee(local: number): number[] {
  return [op.localTee, local];
}

function i32(value: number): number[] {
  return [op.i32Const, ...signed(BigInt(value))];
}

function i64(value: bigint): number[] {
  return [op.i64Const, ...signed(BigInt.asIntN(64, value))];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function name(text: string): number[] {
  return [text.length, ...Array.from(text, (character) => character.charCodeAt(0))];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: bigint): number[] {
  const low = Number(value & 0x7fn);
  const rest = value >> 7n;
  const isLast = low < 0x40 ? rest === 0n : rest === -1n;
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}
