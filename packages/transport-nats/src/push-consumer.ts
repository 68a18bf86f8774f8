/**
 * One run of a consumer: the newest write of each matching key, then new writes, without a gap. It ends by itself when
 * the connection does, when a message is missing, or when the server falls silent; its owner may start another.
 */
import type { Clock } from '@clstr/core';
import type { StoreEntry } from '@clstr/core/store';
import { ClstrError } from '@clstr/core';
import { printable, randomId, systemRandom } from '@clstr/core/internal';
import type { Msg, MsgHdrs } from 'nats';
import type { Bucket } from './bucket.ts';
import type { ControlConnection } from './control-connection.ts';

export interface ConsumerOptions {
  readonly control: ControlConnection;
  readonly bucket: Bucket;
  readonly inboxPrefix: string;
  readonly clock: Clock;
  /** How long the start may take. */
  readonly timeoutMs: number;
  /** How often an idle server sends a heartbeat. */
  readonly idleHeartbeatMs: number;
}

export interface ConsumerListener {
  /** Must not throw. */
  onEntry(entry: StoreEntry): void;
  /** Called once, unless closed before. NO_SUBSCRIBER means that there is no bucket. */
  onEnd(error: ClstrError): void;
}

/** How many heartbeats may be missing until the server counts as silent. */
const MAX_SILENT_HEARTBEATS = 3;

export class PushConsumer {
  readonly #options: ConsumerOptions;
  readonly #listener: ConsumerListener;
  readonly #endings: (() => void)[] = [];
  #isEnded = false;
  #name: string | undefined;
  /** How many entries have arrived: the server numbers them from 1. */
  #received = 0;
  #heardMs = 0;

  constructor(options: ConsumerOptions, pattern: string, listener: ConsumerListener) {
    this.#options = options;
    this.#listener = listener;
    // The owner does not have this object before the turn ends.
    queueMicrotask(() => {
      this.#start(pattern).catch((error: unknown) => {
        this.#end(error as ClstrError);
      });
    });
  }

  /** Idempotent; the listener is not called again. */
  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const end of this.#endings.splice(0)) end();
    this.#forget();
  }

  async #start(pattern: string): Promise<void> {
    if (this.#isEnded) return;
    const { control, bucket, inboxPrefix, clock, timeoutMs, idleHeartbeatMs } = this.#options;
    const deliverSubject = `${inboxPrefix}.${randomId(systemRandom, 22)}`;
    const subscription = control.subscribe(
      deliverSubject,
      (message) => {
        this.#onMessage(message);
      },
      (error) => {
        this.#end(error);
      },
    );
    this.#endings.push(
      () => {
        subscription.unsubscribe();
      },
      control.onConnection(() => {
        this.#end(new ClstrError('CONNECTION_LOST', 'the connection to the membership store was lost'));
      }),
    );
    this.#heardMs = clock.monoMs();
    const filterSubject = bucket.subjectOf(pattern);
    this.#name = await bucket.consume({ deliverSubject, filterSubject, idleHeartbeatMs }, timeoutMs);
    if (this.#hasEnded()) this.#forget();
    else if (this.#name === undefined) this.#end(new ClstrError('NO_SUBSCRIBER', 'there is no bucket'));
    else this.#watchSilence();
  }

  #onMessage(message: Msg): void {
    if (this.#isEnded) return;
    this.#heardMs = this.#options.clock.monoMs();
    const { headers, reply } = message;
    if (headers === undefined || headers.code === 0) this.#onPush(message);
    else if (headers.code === 100) this.#onControl(headers, reply);
    else {
      const what = `${headers.code} ${printable(headers.description, 512)}`;
      this.#end(new ClstrError('CONNECTION_LOST', `the server ended a watch: ${what}`));
    }
  }

  #onPush(message: Msg): void {
    const place = placeOf(message.reply);
    if (place?.consumerSequence !== this.#received + 1) {
      this.#end(gap());
      return;
    }
    this.#received++;
    const entry = this.#options.bucket.entryOfMessage(message, place.revision);
    if (entry !== undefined) this.#listener.onEntry(entry);
  }

  /** A heartbeat says how far the server is; flow control needs an answer, or the server stops sending. */
  #onControl(headers: MsgHdrs, reply = ''): void {
    const { control, bucket } = this.#options;
    const stalled = headers.get('Nats-Consumer-Stalled');
    for (const subject of [reply, stalled]) if (bucket.isFlowControl(subject)) control.tell(subject);
    const last = headers.get('Nats-Last-Consumer');
    if (last !== '' && Number(last) !== this.#received) this.#end(gap());
  }

  #watchSilence(): void {
    const { clock, idleHeartbeatMs } = this.#options;
    let cancel: () => void = () => undefined;
    const check = (): void => {
      const silentMs = clock.monoMs() - this.#heardMs;
      const leftMs = MAX_SILENT_HEARTBEATS * idleHeartbeatMs - silentMs;
      if (leftMs > 0) cancel = clock.timer(check, leftMs);
      else this.#end(new ClstrError('TIMEOUT', `the server was silent for ${Math.round(silentMs)} ms`));
    };
    check();
    this.#endings.push(() => {
      cancel();
    });
  }

  #end(error: ClstrError): void {
    if (this.#isEnded) return;
    this.close();
    this.#listener.onEnd(error);
  }

  #hasEnded(): boolean {
    return this.#isEnded;
  }

  #forget(): void {
    const { control, bucket } = this.#options;
    if (this.#name !== undefined && control.isConnected) bucket.forget(this.#name);
    this.#name = undefined;
  }
}

function gap(): ClstrError {
  return new ClstrError('CONNECTION_LOST', 'a watch missed a message');
}

/**
 * Reads the reply subject of a pushed message: `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer
 * sequence>.<time>.<pending>`; newer servers put domain and account after ACK, and a token after pending.
 */
export function placeOf(reply = ''): { revision: number; consumerSequence: number } | undefined {
  const tokens = reply.split('.');
  if (tokens.length < 9 || tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined;
  const [revision, consumerSequence] = tokens.slice(tokens.length === 9 ? 5 : 7).map(Number);
  return Number.isSafeInteger(revision)
    ? { revision: revision!, consumerSequence: consumerSequence! }
    : undefined;
}
