/** Finds shards of a node that messages do not reach on their own subjects, though they reach its direct one. */
import { counted } from '../base/count-text.ts';
import type { ClstrError } from '../base/errors.ts';
import { inBackground } from '../base/background.ts';
import type { Logger } from '../base/logger.ts';
import type { Prober } from './probe.ts';
import { silent } from './probe.ts';
import type { Address } from '../wire/transport.ts';

export interface ShardReachOptions {
  readonly probe: Prober;
  readonly logger: Logger;
  readonly timing: { readonly heartbeatMs: number };
  readonly shards: () => readonly number[];
  readonly serveAgain: (address: Address) => Promise<void>;
  /** Called when messages reach every shard again. */
  readonly onRecovered: () => void;
}

/** How many new shards to probe per heartbeat, others in turn, and missing shards to serve again at every other one. */
const MAX_NEW = 256;
const MAX_OTHERS = 16;
const MAX_REPAIRS = 4;
/** A probe has failed after this many heartbeats without an answer while the direct subject answers. */
const SILENT_TICKS = 2;
/** How many failures in a row make a shard missing. The server's refusal is certain; silence may be loss. */
const FAILURES = { refused: 2, silent: 4 } as const;

export class ShardReach {
  readonly #options: ShardReachOptions;
  #inc = '';
  #tick = 0;
  /** Shards that are served and have not been probed since. */
  readonly #due = new Set<number>();
  readonly #asked = new Map<number, { readonly attempt: number; readonly tick: number }>();
  readonly #failures = new Map<number, number>();
  readonly #missing = new Map<number, ClstrError>();
  /** Shards that are being served again: nothing listens in the meantime, so they are not probed. */
  readonly #repaired = new Set<number>();
  #cursor = 0;

  constructor(options: ShardReachOptions) {
    this.#options = options;
  }

  get missing(): number {
    return this.#missing.size;
  }

  /** Begins another run, and forgets what the one before knew. */
  begin(inc: string): void {
    this.forget();
    this.#inc = inc;
    for (const known of [this.#due, this.#failures, this.#missing]) known.clear();
  }

  /** Forgets open probes: those sent while the node had no lease may have got no answer. */
  forget(): void {
    for (const { attempt } of this.#asked.values()) this.#options.probe.forget(attempt);
    this.#asked.clear();
  }

  onServed(shard: number): void {
    this.#due.add(shard);
  }

  onRefused(shard: number, error: ClstrError): void {
    this.#missing.set(shard, error);
  }

  /** Why messages do not reach this node. */
  reason(): string {
    const [[shard, error]] = this.#missing as unknown as [[number, ClstrError]];
    const held = this.#options.shards().length;
    return (
      `messages do not reach ${this.#missing.size} of its ${counted(held, 'shard')} on their subjects ` +
      `(the first is ${shard}, ${error.code}: ${error.message})`
    );
  }

  /** Called at each heartbeat at which the direct subject has answered. */
  ask(): void {
    this.#tick++;
    const shards = this.#options.shards();
    const held = new Set(shards);
    for (const [shard, { attempt, tick }] of this.#asked) {
      if (held.has(shard) && this.#tick - tick < SILENT_TICKS) continue;
      this.#asked.delete(shard);
      this.#options.probe.forget(attempt);
      const ms = SILENT_TICKS * this.#options.timing.heartbeatMs;
      if (held.has(shard)) this.#fail(shard, silent(`the subject of shard ${shard}`, ms), FAILURES.silent);
    }
    for (const shard of this.#failures.keys()) if (!held.has(shard)) this.#failures.delete(shard);
    for (const shard of this.#missing.keys()) if (!held.has(shard)) this.#recovered(shard);
    // Every other time, so that probes test the repaired shards in between.
    if (this.#tick % 2 === 0) this.#repair();
    this.#askDue(held);
    for (let i = Math.min(MAX_OTHERS, shards.length); i > 0; i--) {
      this.#askShard(shards[this.#cursor++ % shards.length]!);
    }
  }

  #askDue(held: ReadonlySet<number>): void {
    let left = MAX_NEW;
    for (const shard of this.#due) {
      if (left-- === 0) return;
      this.#due.delete(shard);
      if (held.has(shard)) this.#askShard(shard);
    }
  }

  #askShard(shard: number): void {
    if (this.#asked.has(shard) || this.#repaired.has(shard)) return;
    const attempt = this.#options.probe.ask({ shard }, this.#inc, (error) => {
      if (this.#asked.get(shard)?.attempt !== attempt) return;
      this.#asked.delete(shard);
      if (this.#repaired.has(shard)) return;
      if (error === undefined) {
        this.#failures.delete(shard);
        this.#recovered(shard);
      } else if (error.code === 'NO_SUBSCRIBER') this.#fail(shard, error, FAILURES.refused);
    });
    this.#asked.set(shard, { attempt, tick: this.#tick });
  }

  #fail(shard: number, error: ClstrError, limit: number): void {
    const failures = (this.#failures.get(shard) ?? 0) + 1;
    this.#failures.set(shard, failures);
    if (failures >= limit) this.#missing.set(shard, error);
    else if (failures === limit - 1) this.#serveAgain(shard);
  }

  /** Serves a few missing shards again, because the bus may refuse each of them. */
  #repair(): void {
    for (const shard of [...this.#missing.keys()].slice(0, MAX_REPAIRS)) {
      const error = this.#missing.get(shard)!;
      // Moves the shard to the end of the queue.
      this.#missing.delete(shard);
      this.#missing.set(shard, error);
      this.#serveAgain(shard);
    }
  }

  #serveAgain(shard: number): void {
    const { serveAgain, logger } = this.#options;
    if (this.#repaired.has(shard)) return;
    this.#repaired.add(shard);
    const repair = async (): Promise<void> => {
      try {
        await serveAgain({ shard });
      } finally {
        this.#repaired.delete(shard);
      }
    };
    inBackground(repair(), `serving shard ${shard} again`, logger);
  }

  #recovered(shard: number): void {
    if (this.#missing.delete(shard) && this.#missing.size === 0) this.#options.onRecovered();
  }
}
