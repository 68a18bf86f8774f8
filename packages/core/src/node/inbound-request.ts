/** What a handler gets of a message. */
import type { CallChain } from '../wire/call-chain.ts';
import { decodePayload } from '../wire/codec.ts';
import type { Codec } from '../wire/codec.ts';
import type { Headers } from '../wire/envelope.ts';
import type { InboundEntry } from '../wire/transport.ts';
import { describe } from '../base/describe.ts';
import { ClstrError } from '../base/errors.ts';
import type { HandlerRequest } from './handler.ts';

/** A class, because objects that wait must not be literals: docs/decisions/0011. Positional, because it is hot. */
export class InboundRequest implements HandlerRequest {
  readonly key: string | undefined;
  readonly shard: number;
  readonly type: string;
  readonly payload: unknown;
  /** A span replaces them before the handler sees them. */
  headers: Headers;
  readonly isNotify: boolean;
  readonly callChain: CallChain;

  constructor(
    key: string | undefined,
    shard: number,
    type: string,
    payload: unknown,
    headers: Headers,
    isNotify: boolean,
    callChain: CallChain,
  ) {
    this.key = key;
    this.shard = shard;
    this.type = type;
    this.payload = payload;
    this.headers = headers;
    this.isNotify = isNotify;
    this.callChain = callChain;
  }
}

/** @throws INVALID_ENVELOPE */
export function payloadIn({ type, payload, isRaw }: InboundEntry, codec: Codec): unknown {
  try {
    return decodePayload(codec, payload, isRaw);
  } catch (cause) {
    const message = `the payload of ${describe(type)} is not valid ${codec.name}`;
    throw new ClstrError('INVALID_ENVELOPE', message, { cause });
  }
}
