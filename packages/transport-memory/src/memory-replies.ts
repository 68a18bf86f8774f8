/** The way back from the nodes of a transport: replies in a row from one endpoint to another share a frame. */
import type { InboundEntry } from '@clstr/core/wire';
import type { Failure } from '@clstr/core/handler';
import { createFrameWriter, shortError } from '@clstr/core/wire';
import { describe } from '@clstr/core/internal';
import { MAX_FRAME_ENTRIES, PREFERRED_FRAME_BYTES } from './batching.ts';
import type { BusWork, Endpoint, MemoryBus } from './memory-bus.ts';
import { payloadTooLarge } from './memory-errors.ts';

/** Hot path. One for all nodes and clients: a writer for each pair of them would keep a slab for each. */
export class MemoryReplies implements BusWork {
  /** What it sends is encoded already. */
  readonly weight = 1;
  readonly #bus: MemoryBus;
  readonly #limit: number;
  readonly #writer = createFrameWriter();
  /** Between whom the frame goes that is open; meaningless while it is empty. */
  #from: Endpoint | undefined;
  #to: Endpoint | undefined;
  #isScheduled = false;
  #isHeld = false;

  constructor(bus: MemoryBus) {
    this.#bus = bus;
    this.#limit = Math.min(bus.maxPayload, PREFERRED_FRAME_BYTES);
  }

  reply(
    from: Endpoint,
    to: Endpoint,
    entry: InboundEntry,
    payload: string | Uint8Array,
    isRaw: boolean,
  ): void {
    const { maxPayload } = this.#bus;
    const writer = this.#writer;
    let bytes = payload.length;
    if (bytes <= maxPayload) {
      const before = this.#open(from, to);
      writer.reply(entry.attempt, payload, isRaw);
      if (this.#isOver(before)) writer.reply(entry.attempt, payload, isRaw);
      bytes = writer.size;
      if (bytes <= maxPayload) return;
      writer.rollback(0);
    }
    const error = payloadTooLarge(`reply to ${describe(entry.type)}`, bytes, this.#bus, 'executed');
    this.fail(from, to, entry, error);
  }

  fail(from: Endpoint, to: Endpoint, entry: InboundEntry, error: Failure): void {
    const writer = this.#writer;
    const before = this.#open(from, to);
    writer.failure(entry.attempt, error);
    if (this.#isOver(before)) writer.failure(entry.attempt, error);
    if (writer.size <= this.#bus.maxPayload) return;
    writer.rollback(0);
    writer.failure(entry.attempt, shortError(error));
  }

  /** The turn of the open frame on the bus. */
  run(): void {
    this.#isScheduled = false;
    this.flush();
  }

  /** What comes from now on waits for {@link release}, and needs no turn of its own. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Ends {@link hold}. */
  release(): void {
    this.#isHeld = false;
    this.flush();
  }

  /** Sends the open frame, if there is one. */
  flush(): void {
    const { count } = this.#writer;
    if (count > 0) this.#bus.transmit(this.#from!, this.#to!, this.#writer.take(), count);
  }

  /** Sees that the open frame can take the next entry, and returns its bytes so far. */
  #open(from: Endpoint, to: Endpoint): number {
    if (from !== this.#from || to !== this.#to || this.#writer.count === MAX_FRAME_ENTRIES) {
      this.flush();
      this.#from = from;
      this.#to = to;
    }
    if (!this.#isHeld && !this.#isScheduled) {
      this.#isScheduled = true;
      this.#bus.enqueue(this);
    }
    return this.#writer.size;
  }

  /** True when the entry after the first `before` bytes was one too many: those have left, and it is to be written again. */
  #isOver(before: number): boolean {
    if (before === 0 || this.#writer.size <= this.#limit) return false;
    this.#writer.rollback(before);
    this.flush();
    return true;
  }
}
