/** Reports a client's calls to its metrics. */
import type { Clock } from '../base/clock.ts';
import type { ClstrError } from '../base/errors.ts';
import { noMetrics } from '../base/metrics.ts';
import type { SafeMetrics, TransportErrorKind } from '../base/metrics.ts';
import { TypeLabels } from '../base/type-labels.ts';
import type { ClientLink } from '../wire/transport.ts';
import type { Call } from './call.ts';

export class CallMetrics {
  readonly #metrics: SafeMetrics;
  readonly #clock: Clock;
  readonly #link: ClientLink;
  readonly #labels = new TypeLabels();
  /** When the last message of the link was read, and which one that is. */
  #readMs = 0;
  #messagesRead = -1;

  constructor(metrics: SafeMetrics, clock: Clock, link: ClientLink) {
    this.#metrics = metrics;
    this.#clock = clock;
    this.#link = link;
  }

  notifyHandedOver({ type }: Call): void {
    if (this.#metrics !== noMetrics) this.#metrics.notifyEnded(this.#labels.of(type, false), true);
  }

  ended(call: Call, error: ClstrError | undefined): void {
    const metrics = this.#metrics;
    if (metrics === noMetrics) return;
    const nowMs = error === undefined && !call.isNotify ? this.#repliedMs() : this.#clock.monoMs();
    const label = this.#labels.of(call.type, isProofOfType(call, error, nowMs));
    if (!call.isNotify) {
      metrics.requestEnded(label, error === undefined, nowMs - call.deadlineMs + call.timeoutMs);
    } else if (error !== undefined) metrics.notifyEnded(label, false);
    const kind = error === undefined ? undefined : TRANSPORT_ERROR_KINDS.get(error.code);
    if (kind !== undefined) metrics.transportError(kind);
  }

  /** The replies of one message have arrived together: a reading of the clock for each would cost a percent of a call. */
  #repliedMs(): number {
    const { messagesRead } = this.#link;
    if (messagesRead !== this.#messagesRead) {
      this.#messagesRead = messagesRead ?? -1;
      this.#readMs = this.#clock.monoMs();
    }
    return this.#readMs;
  }
}

/** Nobody answers a notify: only a refusal until its deadline would show that no node knows its type. */
function isProofOfType(call: Call, error: ClstrError | undefined, nowMs: number): boolean {
  if (error !== undefined) return error.outcome === 'executed';
  return !call.isNotify || nowMs >= call.deadlineMs;
}

const TRANSPORT_ERROR_KINDS: ReadonlyMap<string, TransportErrorKind> = new Map<string, TransportErrorKind>([
  ['NO_SUBSCRIBER', 'no_subscriber'],
  ['TIMEOUT', 'timeout'],
  ['ENVELOPE_EXPIRED', 'ttl_expired'],
  ['TRANSPORT_CLOSED', 'closed'],
]);
