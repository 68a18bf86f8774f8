/** What a handler gets of a message. */
import type { CallChain } from '../wire/call-chain.ts';
import type { Headers } from '../wire/envelope.ts';
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
