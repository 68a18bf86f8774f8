/** The actors a call came through, carried in a reserved header, so that a cycle is found before it hangs. */
import { ClstrError } from './errors.ts';
import { encodeText } from './internal/bytes.ts';

/** Each link names an actor and a key, outermost first. */
export type CallChain = readonly string[];

export const CALL_CHAIN_HEADER = 'x-clstr-call-chain';

/** Most links of a chain. */
export const MAX_CALL_DEPTH = 32;

/** Longest chain, in bytes of its JSON form: what a header of the native wire can hold. */
const MAX_CHAIN_BYTES = 65_535;

/** @throws INVALID_ENVELOPE when many long keys make a chain that no message can carry. */
export function encodeCallChain(chain: CallChain): string {
  const header = JSON.stringify(chain);
  const bytes = header.length * 3 <= MAX_CHAIN_BYTES ? 0 : encodeText(header).length;
  if (bytes <= MAX_CHAIN_BYTES) return header;
  throw new ClstrError(
    'INVALID_ENVELOPE',
    `the chain of ${chain.length} calls takes ${bytes} bytes, more than ${MAX_CHAIN_BYTES}`,
  );
}

/** @throws INVALID_ENVELOPE when the header is no chain, or one longer than {@link MAX_CALL_DEPTH}. */
export function decodeCallChain(header: string): CallChain {
  let chain: unknown;
  try {
    chain = JSON.parse(header);
  } catch {
    chain = undefined;
  }
  const isChain =
    Array.isArray(chain) && chain.length <= MAX_CALL_DEPTH && chain.every((link) => typeof link === 'string');
  if (isChain) return chain as string[];
  throw new ClstrError(
    'INVALID_ENVELOPE',
    `the header ${CALL_CHAIN_HEADER} is no list of at most ${MAX_CALL_DEPTH} texts`,
  );
}
