/** A transport of which a test replaces some methods. */
import type { Transport } from '@clstr/core';

export function altered(transport: Transport, replaced: Partial<Transport>): Transport {
  return {
    name: transport.name,
    get state() {
      return transport.state;
    },
    openLink: (options) => transport.openLink(options),
    serve: (...args) => transport.serve(...args),
    announce: (self) => transport.announce(self),
    onConnection: (listener) => transport.onConnection(listener),
    close: () => transport.close(),
    [Symbol.asyncDispose]: () => transport.close(),
    ...replaced,
  };
}
