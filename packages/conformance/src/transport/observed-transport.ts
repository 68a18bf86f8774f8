/** A transport that tells what a node refuses, which no handler and no caller gets to see. */
import type { Transport } from '@clstr/core';
import type { EntryReceiver, ReplyPort } from '@clstr/core/wire';
import { altered } from '@clstr/testing/internal';

/** Everything served through the returned transport calls `onRefusal` before each refusal leaves. */
export function observeRefusals(transport: Transport, onRefusal: () => void): Transport {
  return altered(transport, {
    serve: (address, receiver, self) => transport.serve(address, observed(receiver, onRefusal), self),
    service: (name) => observeRefusals(transport.service(name), onRefusal),
  });
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
