/**
 * Where the servers are, and how to log in. The types of the NATS client stand in no public signature: they do not
 * compile under all settings of TypeScript that users have.
 */
import type { Resolved } from '@clstr/core/internal';

/** As the NATS client calls it; it answers the nonce of the server with credentials. */
export type NatsAuthenticator = (nonce?: string) => unknown;

/** Files or their contents, in PEM. */
export interface NatsTlsOptions {
  /** For a server that is configured with `handshake_first`. */
  handshakeFirst?: boolean;
  certFile?: string;
  cert?: string;
  caFile?: string;
  ca?: string;
  keyFile?: string;
  key?: string;
}

/** Where the servers are, and how to log in. */
export interface NatsLoginOptions {
  /**
   * Where to connect, as `host:port` or `nats://host:port`, the latter also with `user:pass@` or `token@`.
   * Default `['127.0.0.1:4222']`.
   */
  servers?: string | readonly string[] | undefined;
  token?: string | undefined;
  user?: string | undefined;
  pass?: string | undefined;
  /** Seed of an nkey pair, `SU…`. */
  nkeySeed?: string | undefined;
  /** Contents of a `.creds` file. */
  credentials?: string | Uint8Array | undefined;
  /** Any other way to authenticate that the NATS client knows. */
  authenticator?: NatsAuthenticator | readonly NatsAuthenticator[] | undefined;
  /** Certificates for TLS, or `{}` to demand TLS with the system's authorities. */
  tls?: NatsTlsOptions | undefined;
}

export interface NatsConnectOptions extends NatsLoginOptions {
  /** Name of the connection, shown by the server. */
  name?: string | undefined;
}

/** The options that may be left out. */
export type MaybeConnect = Exclude<keyof NatsConnectOptions, 'servers'>;
export interface Servers {
  servers: readonly string[];
}
export type ResolvedConnectOptions = Resolved<NatsConnectOptions, MaybeConnect, Servers>;
