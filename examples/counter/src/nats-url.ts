/** Reads `nats://user:password@host:port` into the options of the NATS transport. */
import type { NatsTransportOptions } from '@clstr/transport-nats';

/** Plain data, because it is also sent to the node processes. */
export type NatsAddress = Pick<NatsTransportOptions, 'servers' | 'user' | 'pass' | 'token' | 'tls'> & {
  servers: string;
};

/** @throws Error that names the valid forms. */
export function parseNatsUrl(text: string): NatsAddress {
  const full = text.includes('://') ? text : `nats://${text}`;
  try {
    if (/^(nats|tls):\/\/[^/?#]+\/?$/i.test(full)) return addressOf(new URL(full));
  } catch {
    // Not a URL, or one with invalid percent-encoding.
  }
  throw new Error('It must look like nats://host:port, tls://host:port or host:port.');
}

function addressOf({ protocol, host, username, password }: URL): NatsAddress {
  const address: NatsAddress = { servers: `${protocol}//${host}` };
  if (protocol === 'tls:') address.tls = {};
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
  if (pass !== '') Object.assign(address, { user, pass });
  else if (user !== '') address.token = user;
  return address;
}
