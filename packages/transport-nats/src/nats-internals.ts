/** What the NATS client knows and does not tell: the one place that reads a private field of it. */
import type { NatsConnection, NatsError } from 'nats';

/**
 * The last `-ERR` of the server that was about no permission, each time another object. `status()` gives its code only,
 * and later than the answer to a flush.
 */
export function lastProtocolError(nats: NatsConnection): NatsError | undefined {
  return (nats as { protocol?: { lastError?: NatsError } }).protocol?.lastError;
}
