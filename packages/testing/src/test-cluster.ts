/** A whole cluster in one process: nodes on a memory bus, each with its share of the shards, and a client. */
import { actorHandler, defaults as actorDefaults } from '@clstr/actors';
import type { Actor, Methods, Ref, Referable, Services } from '@clstr/actors';
import type {
  Client,
  ClientOptions,
  Clock,
  Handler,
  Node,
  NodeOptions,
  Random,
  Transport,
} from '@clstr/core';
import {
  ClstrError,
  checkInteger,
  checkKnownOptions,
  createClient,
  createNode,
  createPlacement,
  defaults as core,
  invalidOption,
} from '@clstr/core';
import type { MemoryBus, NetworkPolicy } from '@clstr/transport-memory';
import { createMemoryBus, memoryTransport } from '@clstr/transport-memory';
import { defaults } from './defaults.ts';
import type { FakeClock } from './fake-clock.ts';

/** What the cluster itself decides for all its members. */
type Shared = 'transport' | 'numShards' | 'seed' | 'clock' | 'random';

export interface TestClusterOptions {
  /** How many nodes, named `node-1`, `node-2` …, or their ids. Default 3. */
  nodes?: number | readonly string[] | undefined;
  /** Default 1024. */
  numShards?: number | undefined;
  /** Default ''. */
  seed?: string | undefined;
  /** What every node runs; its context names the node. */
  handler?: Handler | undefined;
  /** Instead of `handler`: makes one for each node, as handlers with state need it. */
  createHandler?: ((nodeId: string) => Handler) | undefined;
  /** Instead of either: what lives on the nodes; `ref` reaches it. */
  actors?: readonly Actor[] | undefined;
  /** Given to the code of `actors` as `ctx.services`. */
  services?: Services | undefined;
  /** Actors that a node keeps in memory per type. Default 1024. */
  cacheSize?: number | undefined;
  /** Of the bus, the nodes and the client. */
  clock?: Clock | undefined;
  /** Of the nodes and the client. */
  random?: Random | undefined;
  /** Largest message of the bus, in bytes. Default 1 MiB. */
  maxPayload?: number | undefined;
  /** What the bus does with each packet. Default: deliver. */
  policy?: NetworkPolicy | undefined;
  /** Further options of the client. */
  client?: Omit<ClientOptions, Shared> | undefined;
  /** Further options of every node. */
  node?: Omit<NodeOptions, Shared | 'id' | 'shards' | 'handler'> | undefined;
}

export interface TestCluster {
  readonly client: Client;
  readonly nodes: readonly Node[];
  /** For more clients and nodes; closed with the cluster. */
  readonly transport: Transport;
  readonly bus: MemoryBus;
  /** The actor of `key`, on whichever node it lives. */
  ref<M extends Methods>(contract: Referable<M>, key: string): Ref<M>;
  /** The node that owns `key`. @throws KEY_REQUIRED */
  nodeOf(key: string): Node;
  /** Idempotent. Moves a fake clock only when handlers still run: actors whose handlers do not end are given up. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Resolves when every node serves.
 *
 * @throws INVALID_OPTION
 */
export async function testCluster(options: TestClusterOptions): Promise<TestCluster> {
  const { ids, numShards, seed, clock, random, maxPayload, policy, ...more } = resolve(options);
  const bus = createMemoryBus({ maxPayload, policy, clock });
  const transport = memoryTransport({ bus });
  const shared = { transport, numShards, seed, clock, random };
  /** What the actors call each other through: it must outlive them. */
  const inner = createClient(shared);
  const handlerOf = more.createHandler ?? ((): Handler => toHandler(more, inner, clock));
  const placement = createPlacement({ numShards, seed });
  for (const id of ids) placement.addNode(id);
  const nodes = new Map(
    ids.map((id) => {
      const shards = placement.shardsOf(id);
      return [id, createNode({ ...more.node, ...shared, id, shards, handler: handlerOf(id) })] as const;
    }),
  );
  const client = createClient({ ...more.client, ...shared });
  await Promise.all([...nodes.values()].map((node) => node.start()));

  async function close(): Promise<void> {
    const all = [...nodes.values()];
    // Asked first: the client's end cancels its calls, after which nodes wait for none, but their actors may.
    const isBusy = all.some(({ inFlight }) => inFlight > 0);
    await client.close();
    const closing = Promise.all(all.map((node) => node.close()));
    if (isBusy) await passTime(closing, clock);
    await closing;
    await inner.close();
    await transport.close();
  }
  return {
    client,
    nodes: [...nodes.values()],
    transport,
    bus,
    ref: (contract, key) => contract.ref(client, key),
    nodeOf: (key) => nodes.get(placement.ownerOf(client.shardOf(key))!)!,
    close,
    [Symbol.asyncDispose]: close,
  };
}

const OWNER = 'testCluster';
const KNOWN_OPTIONS = [
  'nodes',
  'numShards',
  'seed',
  'handler',
  'createHandler',
  'actors',
  'services',
  'cacheSize',
  'clock',
  'random',
  'maxPayload',
  'policy',
  'client',
  'node',
] as const satisfies readonly (keyof TestClusterOptions)[];

function resolve(given: TestClusterOptions) {
  checkKnownOptions(OWNER, given, KNOWN_OPTIONS);
  const { nodes = defaults.nodes, handler, createHandler, actors, services, cacheSize } = given;
  const ids =
    typeof nodes === 'number'
      ? Array.from({ length: checkInteger(OWNER, 'nodes', nodes, 1, MAX_NODES) }, (_, i) => `node-${i + 1}`)
      : [...nodes];
  if (ids.length === 0 || new Set(ids).size < ids.length) {
    throw invalidOption(OWNER, 'nodes', nodes, 'at least one node, each with an id of its own');
  }
  if ([handler, createHandler, actors].filter((given) => given !== undefined).length !== 1) {
    throw new ClstrError('INVALID_OPTION', `${OWNER}: give one of handler, createHandler and actors`);
  }
  if (actors === undefined && (services !== undefined || cacheSize !== undefined)) {
    throw new ClstrError('INVALID_OPTION', `${OWNER}: services and cacheSize are for actors`);
  }
  return {
    ...given,
    ids,
    numShards: given.numShards ?? core.numShards,
    seed: given.seed ?? core.seed,
  };
}

const MAX_NODES = 10_000;

function toHandler(options: TestClusterOptions, client: Client, clock: Clock | undefined): Handler {
  const { handler, actors, services, cacheSize, node } = options;
  return actors === undefined
    ? handler!
    : actorHandler(actors, { client, services, cacheSize, clock, logger: node?.logger });
}

/** A clock that stands still must not hold up the end of a test: actors wait for what runs until their time is over. */
async function passTime(closing: Promise<unknown>, clock: Clock | undefined): Promise<void> {
  if (clock === undefined || !isFakeClock(clock)) return;
  const ended = closing.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([ended, clock.advance(actorDefaults.passivateMs)])));
}

function isFakeClock(clock: Clock): clock is FakeClock {
  return typeof (clock as Partial<FakeClock>).advance === 'function';
}
