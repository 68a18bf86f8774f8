/** A watch that goes on: when its consumer ends, it reports a gap, and starts another after a pause. */
import type { ClstrError, Logger } from '@clstr/core';
import type { StoreListener, Watch } from '@clstr/core/store';
import { PushConsumer } from './push-consumer.ts';
import type { ConsumerOptions } from './push-consumer.ts';

/** The pause doubles with each failure in a row. */
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;

export interface NatsWatchOptions extends ConsumerOptions {
  readonly logger: Logger;
  readonly onClose: (watch: NatsWatch) => void;
}

export class NatsWatch implements Watch {
  readonly #options: NatsWatchOptions;
  readonly #pattern: string;
  readonly #listener: StoreListener;
  readonly #stopListening: () => void;
  #consumer: PushConsumer | undefined;
  #failures = 0;
  #isClosed = false;
  #cancelPause: () => void = () => undefined;

  constructor(options: NatsWatchOptions, pattern: string, listener: StoreListener) {
    this.#options = options;
    this.#pattern = pattern;
    this.#listener = listener;
    this.#stopListening = options.control.onConnection((isConnected) => {
      this.#onConnection(isConnected);
    });
    if (options.control.isConnected) this.#start();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop();
    this.#stopListening();
    this.#options.onClose(this);
  }

  #onConnection(isConnected: boolean): void {
    this.#stop();
    if (!isConnected) return;
    this.#failures = 0;
    this.#tell(() => {
      this.#listener.onGap();
    });
    if (!this.#isClosed) this.#start();
  }

  #start(): void {
    this.#consumer = new PushConsumer(this.#options, this.#pattern, {
      onEntry: (entry) => {
        this.#failures = 0;
        this.#tell(() => {
          this.#listener.onEntry(entry);
        });
      },
      onEnd: (error) => {
        this.#onEnd(error);
      },
    });
  }

  #stop(): void {
    this.#cancelPause();
    this.#consumer?.close();
    this.#consumer = undefined;
  }

  #onEnd(error: ClstrError): void {
    const { clock } = this.#options;
    this.#consumer = undefined;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, MAX_PAUSE_MS);
    this.#cancelPause = clock.timer(() => {
      this.#start();
    }, pauseMs);
    this.#tell(() => {
      this.#listener.onGap(error);
    });
  }

  /** Runs in the NATS client's read loop, which an error of a listener must not reach. */
  #tell(tell: () => void): void {
    try {
      tell();
    } catch (err) {
      this.#options.logger.error(
        { event: 'store.listener_threw', err, pattern: this.#pattern },
        'a listener of the membership store threw',
      );
    }
  }
}
