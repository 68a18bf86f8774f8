/** Notifies that were handed to the bus and can still be refused, and where their failures are reported. */
import { detached } from '../base/async-context.ts';
import { ClstrError, isClstrError } from '../base/errors.ts';
import type { FloodLog } from '../base/flood-log.ts';
import { heldBytes } from '../wire/transport.ts';
import type { Call } from './call.ts';
import type { NotifyFailure } from './options.ts';

/** Beyond these bounds the oldest notify counts as delivered. */
const MAX_TRACKED = 16_384;
const MAX_TRACKED_BYTES = 64 * 1024 * 1024;

export class Notifies {
  /** With what each held when it left: a repeat has one header more. */
  readonly #tracked = new Map<Call, number>();
  readonly #onFailed: ((failure: NotifyFailure) => void) | undefined;
  readonly #floodLog: FloodLog;
  #bytes = 0;

  constructor(onFailed: ((failure: NotifyFailure) => void) | undefined, floodLog: FloodLog) {
    this.#onFailed = onFailed;
    this.#floodLog = floodLog;
  }

  /** Counts the call here from now on, no longer as pending. */
  track(call: Call): void {
    const bytes = heldBytes(call);
    this.#tracked.set(call, bytes);
    this.#bytes += bytes;
    while (this.#tracked.size > MAX_TRACKED || this.#bytes > MAX_TRACKED_BYTES) {
      const [oldest] = this.#tracked.keys();
      oldest!.release();
    }
  }

  ended(call: Call): void {
    this.#bytes -= this.#tracked.get(call) ?? 0;
    this.#tracked.delete(call);
  }

  /** Reports a notify that was handed over and then refused until its deadline. */
  failed({ key, shard, type }: Call, error: ClstrError): void {
    if (this.#onFailed === undefined) {
      this.#floodLog.warn(
        'client.notify_refused',
        { shard, type, code: error.code },
        `a notify was refused until its deadline: ${error.message}`,
      );
    } else this.#report({ key, shard, type, error });
  }

  /** With a listener for failures, a notify need not be awaited: its promise still rejects, but never unhandled. */
  watch(sent: Promise<unknown>, notify: () => Omit<NotifyFailure, 'error'>): Promise<void> {
    if (this.#onFailed !== undefined) {
      sent.catch((cause: unknown) => {
        const error = isClstrError(cause)
          ? cause
          : new ClstrError('INTERNAL', `an interceptor failed: ${String(cause)}`, { cause });
        this.#report({ ...notify(), error });
      });
    }
    return sent as Promise<void>;
  }

  #report(failure: NotifyFailure): void {
    try {
      detached(this.#onFailed!, failure);
    } catch (err) {
      this.#floodLog.error('client.listener_threw', { err }, 'onNotifyFailed threw');
    }
  }
}
