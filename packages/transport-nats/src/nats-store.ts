/** One member's connection to its cluster's bucket in JetStream. */
import type { Clock, Logger } from '@clstr/core';
import type { CasOutcome, ClusterStore, StoreEntry, StoreListener, Watch } from '@clstr/core/store';
import { ClstrError } from '@clstr/core';
import { CONFIG_KEY, checkStoreKey, checkWatchPattern, isWritable } from '@clstr/core/store';
import { pause } from '@clstr/core/internal';
import { unknownAfter } from './bucket.ts';
import type { Bucket, BucketShape } from './bucket.ts';
import type { ControlConnection } from './control-connection.ts';
import { NatsWatch } from './nats-watch.ts';
import { PushConsumer } from './push-consumer.ts';
import type { ConsumerOptions } from './push-consumer.ts';

export interface NatsStoreOptions {
  /** The shape of a bucket that this store creates. */
  readonly shape: BucketShape;
  readonly inboxPrefix: string;
  /** How long the start of a watch may take. */
  readonly timeoutMs: number;
  readonly idleHeartbeatMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class NatsStore implements ClusterStore {
  readonly #control: ControlConnection;
  readonly #options: NatsStoreOptions;
  readonly #bucket: Bucket;
  readonly #watches = new Set<NatsWatch>();
  readonly #listeners = new Set<(isConnected: boolean) => void>();
  #isClosed = false;

  constructor(control: ControlConnection, bucket: Bucket, options: NatsStoreOptions) {
    this.#control = control;
    this.#options = options;
    this.#bucket = bucket;
    control.onConnection((isConnected) => {
      this.#onConnection(isConnected);
    });
  }

  get isConnected(): boolean {
    return this.#control.isConnected;
  }

  onConnection(listener: (isConnected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async cas(
    key: string,
    revision: number,
    value: string | undefined,
    timeoutMs: number,
  ): Promise<CasOutcome> {
    if (!isWritable(key, revision)) return UNKNOWN;
    const { clock } = this.#options;
    const untilMs = clock.monoMs() + timeoutMs;
    const isCreation = key === CONFIG_KEY && revision === 0 && value !== undefined;
    let written = await this.#bucket.cas(key, revision, value, timeoutMs);
    // Repeats, because the server reports a stream as soon as another client begins to create it, before it takes writes.
    while (written === 'no-stream' && isCreation && clock.monoMs() < untilMs) {
      try {
        await this.#bucket.create(this.#options.shape, untilMs - clock.monoMs());
      } catch (error) {
        return unknownAfter(error);
      }
      written = await this.#bucket.cas(key, revision, value, untilMs - clock.monoMs());
      if (written === 'no-stream') await pause(clock, PAUSE_MS);
    }
    return written === 'no-stream' ? UNKNOWN : written;
  }

  async read(key: string, timeoutMs: number): Promise<StoreEntry | undefined> {
    return await this.#bucket.read(checkStoreKey(key), timeoutMs);
  }

  /**
   * Reads from a consumer until it has delivered each existing key. Its own count of pending entries would end the list
   * too early if keys are written in the meantime: nats-server 2.9.10 counts them twice.
   */
  async list(timeoutMs: number): Promise<readonly StoreEntry[]> {
    const { clock } = this.#options;
    const untilMs = clock.monoMs() + timeoutMs;
    const missing = await this.#bucket.keys(timeoutMs);
    if (missing.size === 0) return [];
    const found = await this.#tellAll(missing, untilMs - clock.monoMs());
    return [...found.values()].filter(({ value }) => value !== undefined);
  }

  #tellAll(missing: Set<string>, timeoutMs: number): Promise<Map<string, StoreEntry>> {
    const found = new Map<string, StoreEntry>();
    return new Promise((resolve, reject) => {
      const end = (error?: ClstrError): void => {
        cancelTimeout();
        consumer.close();
        if (error === undefined || error.code === 'NO_SUBSCRIBER') resolve(found);
        else reject(error);
      };
      const cancelTimeout = this.#options.clock.timer(() => {
        end(new ClstrError('TIMEOUT', 'the list did not end in time'));
      }, timeoutMs);
      const consumer = new PushConsumer(this.#consumerOptions(timeoutMs), '>', {
        onEntry: (entry) => {
          found.set(entry.key, entry);
          if (missing.delete(entry.key) && missing.size === 0) end();
        },
        onEnd: end,
      });
    });
  }

  watch(pattern: string, listener: StoreListener): Watch {
    checkWatchPattern(pattern);
    if (this.#isClosed) return { close: () => undefined };
    const { logger, timeoutMs } = this.#options;
    const options = { ...this.#consumerOptions(timeoutMs), logger };
    const watch = new NatsWatch(
      { ...options, onClose: (closed) => this.#watches.delete(closed) },
      pattern,
      listener,
    );
    this.#watches.add(watch);
    return watch;
  }

  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#listeners.clear();
      for (const watch of [...this.#watches]) watch.close();
    }
    await this.#control.close();
  }

  #onConnection(isConnected: boolean): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(isConnected);
      } catch (err) {
        this.#options.logger.error(
          { event: 'store.listener_threw', err },
          'a listener of the membership store threw',
        );
      }
    }
  }

  #consumerOptions(timeoutMs: number): ConsumerOptions {
    const { inboxPrefix, idleHeartbeatMs, clock } = this.#options;
    return {
      control: this.#control,
      bucket: this.#bucket,
      inboxPrefix,
      clock,
      timeoutMs,
      idleHeartbeatMs,
    };
  }
}

const UNKNOWN: CasOutcome = { kind: 'unknown' };
/** The pause before another attempt to write to a bucket that is being created. */
const PAUSE_MS = 5;
