/** A repeat of a call whose handler still runs: it waits for the reply to the first one. */
import { Deadline } from '../base/deadline-wheel.ts';
import { describe } from '../base/describe.ts';
import type { Failure } from '../base/errors.ts';
import type { InboundEntry, ReplyPort } from '../wire/transport.ts';
import { heldBytes } from '../wire/transport.ts';
import { answerWith, failure } from './kept-reply.ts';
import type { KeptReply } from './kept-reply.ts';

/** What it waits for. */
export interface Joinable {
  /** The repeat waits no longer. */
  leave(call: JoinedCall, error: Failure): void;
}

export class JoinedCall extends Deadline {
  readonly #record: Joinable;
  readonly #nodeId: string;
  readonly #entry: InboundEntry;
  readonly #port: ReplyPort;
  readonly bytes: number;

  constructor(record: Joinable, nodeId: string, entry: InboundEntry, port: ReplyPort, deadlineMs: number) {
    super();
    this.#record = record;
    this.#nodeId = nodeId;
    this.#entry = entry;
    this.#port = port;
    this.bytes = heldBytes(entry);
    this.deadlineMs = deadlineMs;
    entry.payload = '';
  }

  answer(reply: KeptReply): void {
    answerWith(this.#port, this.#entry, reply);
  }

  onDeadline(): void {
    const { type } = this.#entry;
    const message = `the handler of ${describe(type)} on node ${this.#nodeId}, which ran already, did not end in time`;
    this.#record.leave(this, failure('HANDLER_TIMEOUT', 'unknown', message));
  }
}
