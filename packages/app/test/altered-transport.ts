/** A transport of which a test replaces some methods. */
import type { Transport } from '@clstr/core';

type AlteredTransport = { [Name in keyof Transport]?: Exclude<Transport[Name], undefined> };

export function altered(transport: Transport, replaced: AlteredTransport): Transport {
  return {
    name: transport.name,
    get state() {
      return transport.state;
    },
    openLink: (options) => transport.openLink(options),
    serve: (...args) => transport.serve(...args),
    announce: (self) => transport.announce(self),
    service: (name) => altered(transport.service(name), replaced),
    onConnection: (listener) => transport.onConnection(listener),
    close: () => transport.close(),
    [Symbol.asyncDispose]: () => transport.close(),
    ...replaced,
  };
}
