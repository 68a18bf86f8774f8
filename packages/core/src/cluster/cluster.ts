/** What `createApp` and `connectClient` take in place of a transport and a membership: where the cluster is, and which. */
import type { Logger } from '../base/logger.ts';
import type { Transport } from '../wire/transport.ts';
import type { Membership } from './membership.ts';
import type { ClusterStore } from './store.ts';
import { CONFIG_KEY } from './store.ts';
import { readConfig } from './records.ts';

/** Made by `natsCluster` or `memoryCluster`. */
export interface Cluster {
  readonly name: string;
  /** Where it is, as health shows it: the addresses of its servers, without credentials. Undefined within one process. */
  readonly address?: string | undefined;
  /** Undefined: as the cluster has it. */
  readonly numShards: number | undefined;
  readonly seed: string | undefined;
  /** Where its processes log; undefined when it was given none. */
  readonly logger: Logger | undefined;
  /**
   * Opens a connection, which its user closes. Waits for a server for as long as the options of the cluster say.
   *
   * @throws CONNECT_FAILED, AUTH_FAILED; ABORTED when the signal fires
   */
  connect(context: ConnectContext): Promise<Transport>;
  /** Where the nodes of a service meet; without a name those of the default service. */
  membership(service?: string): Membership;
}

export interface ConnectContext {
  readonly logger: Logger;
  /** Ends the wait for a server. */
  readonly signal: AbortSignal;
}

/**
 * What the nodes of a cluster have agreed on; undefined where none has started yet.
 *
 * @throws the errors of the store
 */
export async function readAgreed(
  store: ClusterStore,
  timeoutMs: number,
): Promise<{ readonly numShards: number; readonly seed: string } | undefined> {
  return readConfig((await store.read(CONFIG_KEY, timeoutMs))?.value);
}
