/** The changes of several turns that are stored in one record, and the replies that wait for it. */
import type { Change } from './model.ts';
import type { KeptReply } from './replies.ts';

/** How many replies one record adds. */
const MAX_REPLIES = 64;

export class Group {
  /** Settles when the record is stored, or will not be. */
  readonly stored: Promise<void>;
  readonly events: string[] = [];
  /** The replies of these turns that are to be kept. */
  readonly replies: KeptReply[] = [];
  resolve!: () => void;
  reject!: (error: unknown) => void;
  #newest!: Change;
  #stateLength = 0;
  #restLength = 0;

  constructor(change: Change, reply: KeptReply | undefined) {
    this.add(change, reply);
    this.stored = new Promise<void>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Each reply that waits for it rejects by itself; there may be none.
    this.stored.catch(() => undefined);
  }

  /** The state after the last of these turns: never ahead of their events. */
  get state(): () => string | undefined {
    return this.#newest.state;
  }

  get isErased(): boolean {
    return this.#newest.isErased;
  }

  /** Whether a record of at most `most` bytes can hold one more turn. */
  takes(change: Change, reply: KeptReply | undefined, most: number): boolean {
    // Nothing is kept from before an erasure.
    if (change.isErased !== this.isErased || this.replies.length >= MAX_REPLIES) return false;
    const length = change.length + (reply?.text.length ?? 0);
    return length === 0 || 3 * (this.#stateLength + this.#restLength + length) <= most;
  }

  /** A state replaces the one before; events and replies are added to those before. */
  add(change: Change, reply: KeptReply | undefined): void {
    this.#newest = change;
    if (change.events.length > 0) {
      this.events.push(...change.events);
      this.#restLength += change.length;
    } else this.#stateLength = change.length;
    if (reply !== undefined) {
      this.replies.push(reply);
      this.#restLength += reply.text.length;
    }
  }
}
