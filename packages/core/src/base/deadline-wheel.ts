/** One coarse timer for all deadlines: adding and removing one costs a few pointer writes and no timer object. */
import type { Clock } from './clock.ts';

/** Something with a deadline; its links belong to the wheel. */
export abstract class Deadline {
  /** On the clock of the wheel. */
  deadlineMs = 0;
  wheelNext: Deadline | undefined = undefined;
  wheelPrevious: Deadline | undefined = undefined;

  /** Called once, at the deadline or up to two ticks later; the wheel has forgotten the item by then. */
  abstract onDeadline(): void;
}

const TICK_MS = 10;
/** 512 ticks of 10 ms: the wheel visits an item only once if its deadline is within 5.12 s, as most are. */
const SLOTS = 512;

class Slot extends Deadline {
  constructor() {
    super();
    this.wheelNext = this;
    this.wheelPrevious = this;
  }
  onDeadline(): void {
    /* the head of a ring is never due */
  }
}

/** A hashed timing wheel (Varghese and Lauck, 1987, scheme 6). */
export class DeadlineWheel<T extends Deadline> {
  readonly #clock: Clock;
  readonly #slots: Slot[] = Array.from({ length: SLOTS }, () => new Slot());
  #size = 0;
  #lastTick = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#size;
  }

  add(item: T): void {
    if (this.#cancelTimer === undefined) {
      this.#lastTick = Math.floor(this.#clock.monoMs() / TICK_MS);
      this.#arm();
    }
    const tick = Math.max(Math.ceil(item.deadlineMs / TICK_MS), this.#lastTick + 1);
    const head = this.#slots[tick % SLOTS]!;
    const last = head.wheelPrevious!;
    item.wheelNext = head;
    item.wheelPrevious = last;
    last.wheelNext = item;
    head.wheelPrevious = item;
    this.#size++;
  }

  /** Forgets an item; does nothing when the wheel does not hold it. */
  remove(item: T): void {
    const { wheelNext, wheelPrevious } = item;
    if (wheelNext === undefined || wheelPrevious === undefined) return;
    wheelPrevious.wheelNext = wheelNext;
    wheelNext.wheelPrevious = wheelPrevious;
    item.wheelNext = undefined;
    item.wheelPrevious = undefined;
    this.#size--;
  }

  /** All items, in no particular order. */
  items(): T[] {
    return this.#slots.flatMap((head) => ring<T>(head));
  }

  #arm(): void {
    this.#cancelTimer = this.#clock.timer(() => {
      this.#tick();
    }, TICK_MS);
  }

  #tick(): void {
    const nowMs = this.#clock.monoMs();
    const tick = Math.floor(nowMs / TICK_MS);
    const due: T[] = [];
    for (let i = Math.max(this.#lastTick + 1, tick - SLOTS + 1); i <= tick; i++) {
      for (const item of ring<T>(this.#slots[i % SLOTS]!)) if (item.deadlineMs <= nowMs) due.push(item);
    }
    this.#lastTick = tick;
    for (const item of due) this.remove(item);
    // The timer goes on for one idle tick, so that a steady trickle of items does not arm it anew each time. It is armed
    // before anything can throw: a wheel that stood still would never end another call.
    if (this.#size > 0 || due.length > 0) this.#arm();
    else this.#cancelTimer = undefined;
    for (const item of due) this.#fire(item);
  }

  /** An item that throws must not cost the others their deadline. */
  #fire(item: T): void {
    try {
      item.onDeadline();
    } catch (error) {
      this.#clock.macrotask(() => {
        throw error;
      });
    }
  }
}

/** Only items of the wheel's own type are ever linked behind a head. */
function ring<T extends Deadline>(head: Slot): T[] {
  const items: T[] = [];
  for (let item = head.wheelNext!; item !== head; item = item.wheelNext!) items.push(item as T);
  return items;
}
