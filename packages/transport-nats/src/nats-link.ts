/** The connection below a transport over NATS, for sibling packages: apart from the transport, whose types users see. */
import type { Transport } from '@clstr/core';
import { DEFAULT_SERVICE } from '@clstr/core/internal';
import type { Connection } from './connection.ts';

/** What a transport of `natsTransport` runs on. */
export interface NatsLink {
  readonly connection: Connection;
  /** Where answers to this user may go. */
  readonly inboxPrefix: string;
}

const links = new WeakMap<Transport, NatsLink>();

export function keepLink(transport: Transport, link: NatsLink): void {
  links.set(transport, link);
}

/** Undefined for transports of other kinds. A transport for one service is a view of that for the whole cluster. */
export function natsLinkOf(transport: Transport): NatsLink | undefined {
  return links.get(transport) ?? links.get(transport.service(DEFAULT_SERVICE));
}
