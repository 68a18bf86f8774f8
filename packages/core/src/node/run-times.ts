/** How long the handlers of each message type have taken lately: a forecast for the next one. */

/** The weight of a new time, as TCP has it for round trips (RFC 6298). */
const GAIN = 1 / 8;
/** A forecast without a new time for this long is a guess: one message goes ahead, and its time replaces the forecast. */
const STALE_MS = 1_000;
/** Types beyond these have no forecast: anybody can make up a type. */
const MAX_TYPES = 1_024;

export class RunTimes {
  readonly #byType = new Map<string, RunTime>();
  /** Messages of one type come in groups. */
  #lastType: string | undefined;
  #last: RunTime | undefined;

  /** Hot path: the time that a handler of the type will probably take, in milliseconds; 0 if nothing is known. */
  expectedMs(type: string, nowMs: number): number {
    return this.#of(type)?.expectedMs(nowMs) ?? 0;
  }

  /** Hot path: a handler has ended. */
  ended(type: string, ranMs: number, isSuccess: boolean, nowMs: number): void {
    let runTime = this.#of(type);
    if (runTime === undefined) {
      if (!isSuccess || this.#byType.size >= MAX_TYPES) return;
      this.#byType.set(type, (runTime = new RunTime(ranMs, nowMs)));
      this.#lastType = undefined;
    } else runTime.add(ranMs, isSuccess, nowMs);
  }

  #of(type: string): RunTime | undefined {
    if (type === this.#lastType) return this.#last;
    this.#lastType = type;
    this.#last = this.#byType.get(type);
    return this.#last;
  }
}

class RunTime {
  #meanMs: number;
  /** When the mean last changed, or a message last went ahead because it had not changed for too long. */
  #freshMs: number;
  #isGuess = false;

  constructor(ranMs: number, nowMs: number) {
    this.#meanMs = ranMs;
    this.#freshMs = nowMs;
  }

  /** Without the exception for old forecasts, a type whose handlers were slow once might always be refused. */
  expectedMs(nowMs: number): number {
    if (nowMs - this.#freshMs < STALE_MS) return this.#meanMs;
    this.#freshMs = nowMs;
    this.#isGuess = true;
    return 0;
  }

  /** A handler that fails fast says nothing about those that succeed. */
  add(ranMs: number, isSuccess: boolean, nowMs: number): void {
    if (!isSuccess && ranMs < this.#meanMs) return;
    this.#meanMs = this.#isGuess ? ranMs : this.#meanMs + (ranMs - this.#meanMs) * GAIN;
    this.#isGuess = false;
    this.#freshMs = nowMs;
  }
}
