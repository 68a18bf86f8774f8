/** The transport over NATS: the engine of core on one connection, with the JSON wire beside its frames. */
import type { Transport } from '@clstr/core';
import type { FramedTransport, TransportStats } from '@clstr/core/wire';
import { framedTransport } from '@clstr/core/wire';
import { openConnection } from './connection.ts';
import { JsonClientWire } from './json-client-wire.ts';
import { readEnvelope } from './json-serving.ts';
import { NatsBus } from './nats-bus.ts';
import { keepLink } from './nats-link.ts';
import { resolveNatsOptions } from './nats-options.ts';
import type { NatsTransportOptions } from './transport-options.ts';

export interface NatsTransport extends Transport {
  /** Counts of what was dropped so far. */
  readonly stats: Readonly<TransportStats>;
}

/**
 * Connects to NATS, or uses a connection of yours.
 *
 * @throws INVALID_OPTION, CONNECT_FAILED, AUTH_FAILED
 */
export async function natsTransport(options: NatsTransportOptions = {}): Promise<NatsTransport> {
  const resolved = resolveNatsOptions(options);
  const { wire, cluster, subjectPrefix: prefix, inboxPrefixes } = resolved;
  const connection = await openConnection(resolved);
  const transport: FramedTransport = framedTransport(new NatsBus(connection, prefix, inboxPrefixes), {
    ...resolved,
    name: `nats-${wire}`,
    cluster: { name: cluster, prefix },
    floodLog: connection.floodLog,
    createWire: wire === 'json' ? (host) => new JsonClientWire(host) : undefined,
    foreign: readEnvelope,
  });
  keepLink(transport, { connection, inboxPrefix: inboxPrefixes[0]! });
  return transport;
}
