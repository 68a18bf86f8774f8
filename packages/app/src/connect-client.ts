/** `connectClient`: a connection and a client, for a process that only calls. */
import { createClient, systemClock } from '@clstr/core';
import type { Client, ClientOptions, Clock, Cluster, Logger, Transport } from '@clstr/core';
import { DEFAULT_SERVICE, checkServiceName, clockOption, silentLogger } from '@clstr/core/internal';
import { AppHealth } from './health/health.ts';
import type { HealthFollower } from './health/handler.ts';
import { clusterOption, healthOption, refuseSaidByCluster } from './options.ts';
import { stderrLogger } from './stderr-logger.ts';

type SaidByCluster = 'transport' | 'numShards' | 'seed' | 'routing';

/** All but `cluster` is as {@link ClientOptions} has it. */
export interface ConnectOptions extends Omit<ClientOptions, SaidByCluster | 'logger'> {
  /** Where the cluster is: `natsCluster(…)` or `memoryCluster(…)`. */
  cluster: Cluster;
  /** The service of contracts that name none. Default: the service without a name. */
  service?: string | undefined;
  /** `false` for nowhere. Default: that of the cluster, or warnings and errors go to stderr. */
  logger?: Logger | false | undefined;
  /** Answers probes about this client, from before it connects until it has closed: `healthHandler()`. */
  health?: HealthFollower | undefined;
}

/** Closing it closes its connection. */
export interface ConnectedClient extends Client {
  readonly transport: Transport;
}

const OWNER = 'connectClient';
const METHODS = [
  ...(['requestKey', 'notifyKey', 'requestShard', 'notifyShard'] as const),
  ...(['requestMany', 'broadcast', 'gather', 'any'] as const),
  ...(['key', 'shard', 'shardOf', 'service', 'openBreakers'] as const),
];

/**
 * Connects to a cluster. The nodes say how many shards it has and how calls find them; as long as none is there, calls
 * fail as NO_SUBSCRIBER at once.
 *
 * @throws INVALID_OPTION, CONNECT_FAILED, AUTH_FAILED
 */
export async function connectClient(options: ConnectOptions): Promise<ConnectedClient> {
  const { cluster: given, service: named, logger: chosen, health: followed, ...rest } = options;
  const cluster = clusterOption.check(OWNER, 'cluster', given);
  const service = named === undefined ? DEFAULT_SERVICE : checkServiceName(OWNER, 'service', named);
  refuseSaidByCluster(OWNER, rest);
  const { clock } = rest;
  const logger = chosen === false ? silentLogger : (chosen ?? cluster.logger ?? stderrLogger({ clock }));
  const health = followed && healthFor(followed, clock, cluster.address);
  let transport: Transport | undefined;
  try {
    transport = await cluster.connect({ logger, signal: new AbortController().signal });
    transport.useLogger?.(logger);
    health?.connected(transport);
    const { numShards = 'ask', seed } = cluster;
    const view = transport.service(service);
    const client = createClient({ ...rest, transport: view, numShards, seed, logger });
    health?.opened(client);
    health?.started();
    return closingBoth(client, transport, health);
  } catch (error) {
    health?.failed(error);
    await transport?.close();
    health?.closed();
    throw error;
  }
}

/** @throws INVALID_OPTION */
function healthFor(
  given: HealthFollower,
  ownClock: Clock | undefined,
  address: string | undefined,
): AppHealth {
  const follower = healthOption.check(OWNER, 'health', given);
  const clock = clockOption.check(OWNER, 'clock', ownClock ?? systemClock);
  const health = new AppHealth({ subject: 'the client', clock, address });
  follower.follow(() => health.read());
  return health;
}

function closingBoth(client: Client, transport: Transport, health: AppHealth | undefined): ConnectedClient {
  const bound = Object.fromEntries(METHODS.map((name) => [name, client[name].bind(client)]));
  const close = async (): Promise<void> => {
    health?.ending();
    await client.close();
    await transport.close();
    health?.closed();
  };
  return Object.freeze({
    ...(bound as unknown as Pick<Client, (typeof METHODS)[number]>),
    transport,
    close,
    [Symbol.asyncDispose]: close,
  });
}
