/** The one place that reads a private field of the NATS client. */
import type { NatsConnection, NatsError } from 'nats';

/**
 * The last `-ERR` of the server that was not about a permission, a new object each time. `status()` gives only its code,
 * and later than the answer to a flush.
 */
export function lastProtocolError(nats: NatsConnection): NatsError | undefined {
  return (nats as { protocol?: { lastError?: NatsError } }).protocol?.lastError;
}
