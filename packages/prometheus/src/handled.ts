/** The messages of one type at the nodes of this process. */
import { Durations } from './durations.ts';
import type { Labels, Sample } from './family.ts';
import { endsOf } from './timed.ts';

/** Messages that waited, or that were refused before their turn. */
class Delayed {
  readonly all: Durations = new Durations();
  readonly turns: Durations = new Durations();
  readonly waits: Durations = new Durations();
  refused = 0;
}

export class Handled {
  /** Set if an actor handles the type: only then its messages have turns. */
  isOfActor = false;
  #failed = 0;
  /** Of messages that did not wait: their turn took as long as they did. */
  readonly #prompt = new Durations();
  readonly #delayed = new Delayed();

  /** Hot path: adds to one histogram, from which three are made when somebody reads them. */
  add(isSuccess: boolean, durationMs: number | undefined, waitedMs: number): void {
    if (!isSuccess) this.#failed++;
    if (waitedMs === 0 && durationMs !== undefined) this.#prompt.add(durationMs);
    else this.#addDelayed(durationMs, waitedMs);
  }

  #addDelayed(durationMs: number | undefined, waitedMs: number): void {
    const { all, turns, waits } = this.#delayed;
    waits.add(waitedMs);
    if (durationMs === undefined) {
      this.#delayed.refused++;
      all.add(waitedMs);
    } else {
      turns.add(durationMs);
      all.add(durationMs + waitedMs);
    }
  }

  /** From acceptance to end. */
  get durations(): Durations {
    return this.#prompt.with(this.#delayed.all);
  }

  get turns(): Durations {
    return this.#prompt.with(this.#delayed.turns);
  }

  get waits(): Durations {
    return this.#delayed.waits.withZeros(this.#prompt.count);
  }

  ends(labels: Labels): Iterable<Sample> {
    return endsOf(this.durations.count, this.#failed, labels);
  }

  turnEnds(labels: Labels): Iterable<Sample> {
    return endsOf(this.turns.count, this.#failed - this.#delayed.refused, labels);
  }
}
