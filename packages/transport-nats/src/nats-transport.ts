/** The transport over NATS: the engine of core on one connection, with the JSON wire beside its frames. */
import type { Transport } from '@clstr/core';
import type { FramedTransport, TransportStats } from '@clstr/core/wire';
import { framedTransport } from '@clstr/core/wire';
import { DEFAULT_SERVICE } from '@clstr/core/internal';
import { openConnection } from './connection.ts';
import type { Connection } from './connection.ts';
import { JsonClientWire } from './json-client-wire.ts';
import { readEnvelope } from './json-serving.ts';
import { NatsBus } from './nats-bus.ts';
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
  links.set(transport, { connection, inboxPrefix: inboxPrefixes[0]! });
  return transport;
}

/** What a transport of {@link natsTransport} runs on. */
export interface NatsLink {
  readonly connection: Connection;
  /** Where answers to this user may go. */
  readonly inboxPrefix: string;
}

const links = new WeakMap<Transport, NatsLink>();

/** Undefined for transports of other kinds. A transport for one service is a view of that for the whole cluster. */
export function natsLinkOf(transport: Transport): NatsLink | undefined {
  return links.get(transport) ?? links.get(transport.service(DEFAULT_SERVICE));
}
