/** Reports a client's calls to its metrics. */
import type { Clock } from '../base/clock.ts';
import type { ClstrError } from '../base/errors.ts';
import { noMetrics } from '../base/metrics.ts';
import type { Metrics, TransportErrorKind } from '../base/metrics.ts';
import { TypeLabels } from '../base/type-labels.ts';
import type { Call } from './call.ts';

export class CallMetrics {
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #labels = new TypeLabels();

  constructor(metrics: Metrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  notifyHandedOver({ type }: Call): void {
    if (this.#metrics !== noMetrics) this.#metrics.notifyEnded(this.#labels.of(type, true), true);
  }

  ended(call: Call, error: ClstrError | undefined): void {
    const metrics = this.#metrics;
    if (metrics === noMetrics) return;
    const label = this.#labels.of(call.type, error?.code !== 'UNKNOWN_TYPE');
    if (!call.isNotify) {
      const durationMs = this.#clock.monoMs() - call.deadlineMs + call.timeoutMs;
      metrics.requestEnded(label, error === undefined, durationMs);
    } else if (error !== undefined) metrics.notifyEnded(label, false);
    const kind = error === undefined ? undefined : TRANSPORT_ERROR_KINDS.get(error.code);
    if (kind !== undefined) metrics.transportError(kind);
  }
}

const TRANSPORT_ERROR_KINDS: ReadonlyMap<string, TransportErrorKind> = new Map<string, TransportErrorKind>([
  ['NO_SUBSCRIBER', 'no_subscriber'],
  ['TIMEOUT', 'timeout'],
  ['ENVELOPE_EXPIRED', 'ttl_expired'],
  ['TRANSPORT_CLOSED', 'closed'],
]);
