/** The modes of a TCP proxy: what it does to the bytes that pass through it. */
import { checkInteger, invalidOption } from '@clstr/core/internal';

/**
 * - `pass`: everything goes through.
 * - `latency`: each chunk arrives `ms` later, in order.
 * - `throttle`: a limited number of bytes per second passes in each direction.
 * - `black-hole`: bytes and FIN of both directions are swallowed; connections are accepted but get no answer.
 * - `half-open`: what the client sends arrives; what the server sends, FIN included, is swallowed.
 * - `mute`: what the server sends arrives; what the client sends, FIN included, is swallowed.
 * - `reset`: open and new connections are reset. A connection that has lost bytes in one direction stays dead in it,
 *   whatever mode follows, because its stream is broken.
 */
export type ProxyMode =
  | { readonly kind: 'pass' | 'black-hole' | 'half-open' | 'mute' | 'reset' }
  | { readonly kind: 'latency'; readonly ms: number }
  | { readonly kind: 'throttle'; readonly bytesPerSecond: number };

/** The state that the connections of a proxy share. */
export interface ProxyState {
  mode: ProxyMode;
  bytesToServer: number;
  bytesToClient: number;
  bytesSwallowed: number;
}

/** @throws INVALID_OPTION */
export function checkMode(mode: ProxyMode): ProxyMode {
  const { kind } = mode;
  switch (kind) {
    case 'pass':
    case 'black-hole':
    case 'half-open':
    case 'mute':
    case 'reset':
      return mode;
    case 'latency':
      checkInteger('setMode', 'ms', mode.ms, 0, 600_000);
      return mode;
    case 'throttle':
      checkInteger('setMode', 'bytesPerSecond', mode.bytesPerSecond, 1, 2 ** 31);
      return mode;
    default:
      throw invalidOption('setMode', 'kind', kind, 'a kind of ProxyMode');
  }
}
