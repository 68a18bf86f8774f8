/** How many shards the cluster has, and so where each key belongs: an option says it, or the nodes do. */
import type { Abortable } from '../base/abort-listeners.ts';
import { listenForAbort, stopListening } from '../base/abort-listeners.ts';
import type { Clock } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import { ClstrError } from '../base/errors.ts';
import { MAX_DELAY_MS, MAX_SHARDS, checkInteger } from '../base/options.ts';
import { createKeyRouter, isShard } from '../placement/shard.ts';
import type { KeyRouter } from '../placement/shard.ts';
import { checkKey } from '../wire/envelope.ts';

export interface ShapeOptions {
  /** Undefined if the nodes say it. */
  readonly numShards: number | undefined;
  readonly seed: string;
  readonly maxKeyBytes: number;
  readonly clock: Clock;
}

interface Waiting extends Abortable {
  end(error: ClstrError | undefined): void;
}

export class Shape {
  readonly #options: ShapeOptions;
  readonly #waiting = new Set<Waiting>();
  #numShards: number | undefined;
  /** Undefined as long as the shape is not known. */
  router: KeyRouter | undefined;

  constructor(options: ShapeOptions) {
    this.#options = options;
    if (options.numShards !== undefined) this.#know(options.numShards);
  }

  get numShards(): number | undefined {
    return this.#numShards;
  }

  /** @throws KEY_REQUIRED; NO_SUBSCRIBER as long as the shape is not known */
  shardOf(key: string): number {
    if (this.router === undefined) throw unknownShape('no node has answered yet');
    return this.router.shardOf(key);
  }

  /** Returns undefined if the key has no shard, or the shape is unknown. */
  shardIfAny(key: string): number | undefined {
    try {
      return this.shardOf(key);
    } catch {
      return undefined;
    }
  }

  /** @throws INVALID_ENVELOPE */
  checkShard(shard: number): void {
    const most = (this.#numShards ?? MAX_SHARDS) - 1;
    if (isShard(shard, most + 1)) return;
    throw new ClstrError(
      'INVALID_ENVELOPE',
      `shard must be a whole number from 0 to ${most}, got ${describe(shard)}`,
    );
  }

  isList(shards: unknown): shards is number[] {
    return Array.isArray(shards) && shards.every((shard) => isShard(shard, this.#numShards ?? 0));
  }

  /** Learns the shape from a node's cluster, which fits this client as far as the client knows. */
  learn(cluster: unknown): void {
    const { numShards } = (cluster ?? {}) as { numShards?: unknown };
    if (this.router !== undefined || !isShard(numShards, MAX_SHARDS + 1) || numShards === 0) return;
    this.#know(numShards);
  }

  /**
   * Resolves when the shape is known, with what is left of `timeoutMs`; `ask` asks the nodes for it.
   *
   * @throws NO_SUBSCRIBER if no node listens, TIMEOUT, ABORTED
   */
  known(ask: () => void, timeoutMs: number, signal: AbortSignal | undefined): Promise<number> {
    const { clock } = this.#options;
    checkInteger('call', 'timeoutMs', timeoutMs, 1, MAX_DELAY_MS);
    const untilMs = clock.monoMs() + timeoutMs;
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        end: (error) => {
          this.#waiting.delete(waiting);
          cancelTimer();
          if (signal !== undefined) stopListening(signal, waiting);
          if (error === undefined) resolve(Math.max(1, Math.floor(untilMs - clock.monoMs())));
          else reject(error);
        },
        onAbort: (cause) => waiting.end(unknownShape('the call was aborted', 'ABORTED', cause)),
      };
      const cancelTimer = clock.timer(() => {
        waiting.end(unknownShape(`no node answered within ${timeoutMs} ms`, 'TIMEOUT'));
      }, timeoutMs);
      this.#waiting.add(waiting);
      if (signal?.aborted === true) waiting.onAbort(signal.reason);
      else if (signal !== undefined) listenForAbort(signal, waiting);
      ask();
    });
  }

  /** A question has ended: with an answer, without one, or with the reason why it reached no node. */
  onAsked(failure: ClstrError | undefined, ask: () => void): void {
    if (this.router !== undefined) this.#endAll(() => undefined);
    else if (failure !== undefined) this.#endAll(() => unknownShape(failure.message, failure.code));
    else if (this.#waiting.size > 0) ask();
  }

  /** Fails all waits: the client cannot be used, for `reason`. */
  end(reason: ClstrError): void {
    this.#endAll(() => new ClstrError(reason.code, reason.message, { details: reason.details }));
  }

  #endAll(error: () => ClstrError | undefined): void {
    for (const waiting of [...this.#waiting]) waiting.end(error());
  }

  #know(numShards: number): void {
    const { seed, maxKeyBytes } = this.#options;
    this.#numShards = numShards;
    this.router = createKeyRouter(numShards, seed, (key) => checkKey(key, maxKeyBytes));
  }
}

function unknownShape(why: string, code: ClstrError['code'] = 'NO_SUBSCRIBER', cause?: unknown): ClstrError {
  const message = `no node has said how many shards the cluster has: ${why}; Go nodes never do, give numShards for them`;
  return new ClstrError(code, message, { outcome: 'not-executed', cause });
}
