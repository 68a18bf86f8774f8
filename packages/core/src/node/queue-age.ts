/**
 * Whether a queue stands: the rule of CoDel (RFC 8289), which looks at how long work has waited and not at how much of it
 * there is. A burst drains within an interval; a queue in which everything waits too long for a whole interval does not.
 */
export class QueueAge {
  readonly targetMs: number;
  readonly #intervalMs: number;
  #isStanding = false;
  /** Since when every observed age was above the target. */
  #aboveSinceMs: number | undefined;
  #lastAboveMs = -Infinity;

  constructor(targetMs: number, intervalMs: number) {
    this.targetMs = targetMs;
    this.#intervalMs = intervalMs;
  }

  /**
   * From the end of an interval with no age at or below the target to that of one with no age above it. CoDel ends with
   * the first young age, which suits its slow beginning; here all that is too old is refused at once, which keeps ages
   * near the target, and that rule would turn shedding off and on all the time.
   */
  get isStanding(): boolean {
    return this.#isStanding;
  }

  /** Takes the age of work that leaves the queue; 0 if the queue is empty. */
  observe(ageMs: number, nowMs: number): void {
    if (ageMs > this.targetMs) {
      this.#lastAboveMs = nowMs;
      this.#aboveSinceMs ??= nowMs;
      if (nowMs - this.#aboveSinceMs >= this.#intervalMs) this.#isStanding = true;
      return;
    }
    this.#aboveSinceMs = undefined;
    this.look(nowMs);
  }

  /** For a queue that nothing leaves any more. */
  look(nowMs: number): void {
    if (nowMs - this.#lastAboveMs < this.#intervalMs) return;
    this.#isStanding = false;
    this.#aboveSinceMs = undefined;
  }
}

/** How much older critical work may be: up to nine tenths of what a node can do may be critical. */
const CRITICAL_TIMES = 10;

/**
 * The ages of one queue, for two classes of work. Critical work is too old only if it alone keeps the queue standing at
 * several times the target: anyone can claim to be critical, and with no bound at all such claims would turn shedding off.
 */
export class ClassAges {
  readonly targetMs: number;
  readonly #normal: QueueAge;
  readonly #critical: QueueAge;

  constructor(targetMs: number, intervalMs: number) {
    this.targetMs = targetMs;
    this.#normal = new QueueAge(targetMs, intervalMs);
    this.#critical = new QueueAge(CRITICAL_TIMES * targetMs, intervalMs);
  }

  get isStanding(): boolean {
    return this.#normal.isStanding;
  }

  observe(ageMs: number, nowMs: number): void {
    this.#normal.observe(ageMs, nowMs);
    this.#critical.observe(ageMs, nowMs);
  }

  /** Takes an age to which older ones may follow before the queue is empty: it shows nothing if it is not above the target. */
  observeOneOfMore(ageMs: number, nowMs: number): void {
    if (ageMs > this.#normal.targetMs) this.#normal.observe(ageMs, nowMs);
    if (ageMs > this.#critical.targetMs) this.#critical.observe(ageMs, nowMs);
  }

  look(nowMs: number): void {
    this.#normal.look(nowMs);
    this.#critical.look(nowMs);
  }

  isTooOld(ageMs: number, isCritical: boolean): boolean {
    const { isStanding, targetMs } = isCritical ? this.#critical : this.#normal;
    return isStanding && ageMs > targetMs;
  }
}
