/** The place of an app's nodes: a cluster, or a transport with a membership or a list of nodes. */
import { defaults } from '@clstr/core';
import type { Cluster, ConnectContext, Logger, NodeOptions, Routing, Transport } from '@clstr/core';
import { readAgreed } from '@clstr/core/internal';

/** How many shards a service has, and which of them a node of it gets. */
export interface Seat extends Pick<NodeOptions, 'shards' | 'membership'> {
  readonly numShards: number;
  readonly seed: string;
  readonly routing: Routing;
  /** Ends what was opened for the seat. */
  close?(): Promise<void>;
}

export interface Place {
  /** Where its servers are, without credentials; undefined if only a transport knows. */
  readonly address: string | undefined;
  connect(context: ConnectContext): unknown;
  /** @throws the errors of the membership's `open` and of its store */
  seat(service: string | undefined, logger: Logger): Promise<Seat>;
}

/** The nodes of a cluster know its shape: it is read before a node of this process is made. */
export function placeIn(cluster: Cluster): Place {
  return {
    address: cluster.address,
    connect: (context) => cluster.connect(context),
    async seat(service, logger) {
      const membership = cluster.membership(service);
      const store = await membership.open({ logger });
      try {
        const agreed = await readAgreed(store, membership.timing.ackTimeoutMs);
        return {
          numShards: cluster.numShards ?? agreed?.numShards ?? defaults.numShards,
          seed: cluster.seed ?? agreed?.seed ?? defaults.seed,
          routing: 'topology',
          membership: { ...membership, open: () => Promise.resolve(store) },
          close: () => store.close(),
        };
      } catch (error) {
        await store.close();
        throw error;
      }
    },
  };
}

/** For an app with one service, whose options say everything. */
export function placeOf(transport: () => Transport | Promise<Transport>, seat: Seat): Place {
  return { address: undefined, connect: transport, seat: () => Promise.resolve(seat) };
}
