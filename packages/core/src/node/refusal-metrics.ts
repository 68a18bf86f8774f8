/** How metrics count the messages that a node refuses. */
import type { Failure } from '../base/errors.ts';
import { noMetrics } from '../base/metrics.ts';
import type { SafeMetrics, ShedReason } from '../base/metrics.ts';
import { isCritical } from '../wire/framework-headers.ts';
import type { InboundEntry } from '../wire/transport.ts';

export function countRefusal(metrics: SafeMetrics, { headers }: InboundEntry, error: Failure): void {
  if (metrics === noMetrics) return;
  metrics.messageRefused(error.code);
  if (error.code === 'ENVELOPE_EXPIRED') metrics.transportError('ttl_expired');
  const reason = shedBy(error);
  if (reason !== undefined) metrics.messageShed(reason, isCritical(headers));
}

/** Undefined for a refusal that has nothing to do with time or room. */
function shedBy({ code, details }: Failure): ShedReason | undefined {
  if (code === 'ENVELOPE_EXPIRED') return details?.['reason'] === 'deadline' ? 'deadline' : 'expired';
  if (code === 'OVERLOADED') return details?.['reason'] === 'age' ? 'age' : 'bound';
  return undefined;
}
