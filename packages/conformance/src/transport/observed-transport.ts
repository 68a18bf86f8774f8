/** A transport that tells what a node refuses, which no handler and no caller gets to see. */
import type { Transport } from '@clstr/core';
import type { EntryReceiver, ReplyPort } from '@clstr/core/wire';

/** Everything served through the returned transport calls `onRefusal` before each refusal leaves. */
export function observeRefusals(transport: Transport, onRefusal: () => void): Transport {
  return {
    name: transport.name,
    get state() {
      return transport.state;
    },
    openLink: (options) => transport.openLink(options),
    serve: (address, receiver, self) => transport.serve(address, observed(receiver, onRefusal), self),
    announce: (self) => transport.announce(self),
    service: (name) => observeRefusals(transport.service(name), onRefusal),
    onConnection: (listener) => transport.onConnection(listener),
    close: () => transport.close(),
    [Symbol.asyncDispose]: () => transport.close(),
  };
}

function observed(receiver: EntryReceiver, onRefusal: () => void): EntryReceiver {
  return {
    onEntry(entry, port) {
      const tapped: ReplyPort = {
        reply(...args) {
          port.reply(...args);
        },
        fail(...args) {
          onRefusal();
          port.fail(...args);
        },
      };
      receiver.onEntry(entry, tapped);
    },
    onCancel(clientId, attempt) {
      receiver.onCancel(clientId, attempt);
    },
  };
}
