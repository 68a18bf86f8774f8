/** BLAKE2b with digest size 8 by a WebAssembly module, in a tenth of the time that JavaScript needs. */
import { BLOCK, BLOCK_BYTES, IV, STATE, blake2bModule } from './blake2b-wasm.ts';
import type { Blake2bModule } from './blake2b-wasm.ts';
import { encodeText } from '../base/bytes.ts';
import { hashSeriesBy } from './text-hash.ts';
import type { Hash64, Series, TextHash } from './text-hash.ts';

/** The part of WebAssembly used here; its types come with the DOM only. */
export interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
}

/** Undefined where the runtime has no WebAssembly. */
export function wasmApi(): WasmApi | undefined {
  return typeof WebAssembly === 'undefined' ? undefined : WebAssembly;
}

declare const WebAssembly: WasmApi | undefined;

/** Undefined without WebAssembly, or where it is forbidden, as by a page's content security policy. */
export function wasmHash(api: WasmApi | undefined): TextHash | undefined {
  if (api === undefined) return undefined;
  try {
    const { exports } = new api.Instance(new api.Module(blake2bModule()));
    return new WasmHash(exports as Blake2bModule);
  } catch {
    return undefined;
  }
}

class WasmHash implements TextHash {
  readonly #compress: Blake2bModule['compress'];
  readonly #state: Uint8Array;
  readonly #block: Uint8Array;
  readonly #digest: DataView;
  readonly #initial = initialState();

  constructor({ memory: { buffer }, compress }: Blake2bModule) {
    this.#compress = compress;
    this.#state = new Uint8Array(buffer, STATE, this.#initial.length);
    this.#block = new Uint8Array(buffer, BLOCK, BLOCK_BYTES);
    this.#digest = new DataView(buffer, STATE, DIGEST_BYTES);
  }

  hash(text: string): Hash64 {
    this.#state.set(this.#initial);
    if (writeAscii(text, this.#block)) {
      this.#block.fill(0, text.length);
      this.#compress(text.length, LAST);
    } else this.#hashBytes(encodeText(text));
    return halves(this.#digest);
  }

  hashSeries(series: Series): void {
    const { head, tail, high, low } = series;
    const block = this.#block;
    const digest = this.#digest;
    const [first, last] = [encodeText(head), encodeText(tail)];
    if (first.length + String(high.length).length + last.length > BLOCK_BYTES) {
      hashSeriesBy((text) => this.hash(text), series);
      return;
    }
    block.fill(0);
    block.set(first);
    let end = first.length;
    // At 0, 10, 100 … the number gains a digit.
    for (let n = 0, next = 0; n < high.length; n++) {
      if (n === next) {
        next = Math.max(10, 10 * n);
        block.set(last, ++end);
      }
      for (let at = end - 1, rest = n; at >= first.length; at--, rest = Math.trunc(rest / 10)) {
        block[at] = ZERO + (rest % 10);
      }
      this.#state.set(this.#initial);
      this.#compress(end + last.length, LAST);
      high[n] = digest.getUint32(0);
      low[n] = digest.getUint32(4);
    }
  }

  #hashBytes(bytes: Uint8Array): void {
    let start = 0;
    for (; bytes.length - start > BLOCK_BYTES; start += BLOCK_BYTES) {
      this.#block.set(bytes.subarray(start, start + BLOCK_BYTES));
      this.#compress(start + BLOCK_BYTES, 0);
    }
    this.#block.set(bytes.subarray(start));
    this.#block.fill(0, bytes.length - start);
    this.#compress(bytes.length, LAST);
  }
}

const DIGEST_BYTES = 8;
const LAST = -1;
const ZERO = 0x30;

/** RFC 7693, 2.5 and 3.3: no key, a fanout and a depth of 1. */
function initialState(): Uint8Array {
  const state = new DataView(new ArrayBuffer(8 * IV.length));
  for (const [i, word] of IV.entries()) state.setBigUint64(8 * i, word, true);
  state.setUint32(0, state.getUint32(0, true) ^ (0x0101_0000 | DIGEST_BYTES), true);
  return new Uint8Array(state.buffer);
}

/** Returns false if the text is not ASCII or is longer than a block. A loop beats the encoder. */
function writeAscii(text: string, block: Uint8Array): boolean {
  if (text.length > BLOCK_BYTES) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return false;
    block[i] = code;
  }
  return true;
}

function halves(digest: DataView): Hash64 {
  return { high: digest.getUint32(0), low: digest.getUint32(4) };
}
