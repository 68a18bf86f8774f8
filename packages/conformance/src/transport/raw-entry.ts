/** Messages sent below the client: what a broken, old or hostile peer could send. */
import type { ClstrError } from '@clstr/core';
import type { Address, ClientLink, InboundReply, NodeAddress, OutboundEntry } from '@clstr/core/wire';
import { payloadBytes } from '@clstr/core/wire';
import { deferred } from '@clstr/testing';

/** How a raw entry ended. */
export interface RawAnswer {
  readonly error: ClstrError | undefined;
  readonly payload: Uint8Array;
  readonly from: NodeAddress | undefined;
}

const NOTHING = new Uint8Array(0);
let attempts = 0;

/** Sends a request with the given fields and resolves with its answer, whichever it is. */
export function sendRaw(
  link: ClientLink,
  fields: Partial<OutboundEntry> & { shard: number },
  to: Address = { shard: fields.shard },
): Promise<RawAnswer> {
  const entry: OutboundEntry = {
    isNotify: false,
    attempt: ++attempts,
    type: 'Raw',
    key: undefined,
    headers: undefined,
    payload: NOTHING,
    isRaw: true,
    remainingMs: () => 5_000,
    ...fields,
  };
  const { promise, resolve } = deferred<RawAnswer>();
  link.send(to, entry, {
    onSent() {},
    onReply({ error, payload, from }: InboundReply) {
      resolve({ error, payload: new Uint8Array(payloadBytes(payload)), from });
    },
    onError(error) {
      resolve({ error, payload: NOTHING, from: undefined });
    },
  });
  return promise;
}
