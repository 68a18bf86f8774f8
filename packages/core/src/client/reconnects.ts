/** Calls `back` each time that the connection is there again after a loss; returns what ends that. */
import type { Transport } from '../wire/transport.ts';

export function onReconnect(transport: Transport, back: () => void): () => void {
  let wasLost = transport.state === 'disconnected';
  return transport.onConnection(({ state }) => {
    if (state === 'disconnected') wasLost = true;
    else if (state === 'connected' && wasLost) back();
  });
}
