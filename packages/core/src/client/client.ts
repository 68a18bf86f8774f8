/** Makes clients. */
import type { Client } from './api.ts';
import type { ClientOptions } from './options.ts';
import { resolveClientOptions } from './options.ts';
import { RoutingClient } from './routing-client.ts';

/** @throws INVALID_OPTION, TRANSPORT_CLOSED */
export function createClient(options: ClientOptions): Client {
  return new RoutingClient(resolveClientOptions(options));
}
