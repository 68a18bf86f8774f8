/** A whole cluster in one process: nodes on a memory bus, each with its share of the shards, and a client. */
import { actorHandler, defaults as actorDefaults } from '@clstr/actors';
import type { Actor, Methods, Ref } from '@clstr/actors';
import type { AnyActor, GivenServices, Referable, ServicesOf } from '@clstr/actors/internal';
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
import { ClstrError, createClient, createNode, defaults as core } from '@clstr/core';
import type { StateStore } from '@clstr/core/store';
import type { Resolved, Spec } from '@clstr/core/internal';
import {
  checkInteger,
  describe,
  flag,
  handedOn,
  invalidOption,
  methods,
  option,
  optional,
  orMade,
  resolve,
} from '@clstr/core/internal';
import type { MemoryBus, MemoryStateStores, NetworkPolicy } from '@clstr/transport-memory';
import { createMemoryBus, memoryStateStore, memoryTransport } from '@clstr/transport-memory';
import { defaults } from './defaults.ts';
import type { FakeClock } from './fake-clock.ts';
import { dynamicOwnership, staticOwnership } from './test-ownership.ts';

/** The options that the cluster itself decides for all its members. */
type Shared = 'transport' | 'numShards' | 'seed' | 'clock' | 'random';

export interface TestClusterOptions<Services = unknown> {
  /** The number of nodes, named `node-1`, `node-2` …, or their ids. Default 3. */
  nodes?: number | readonly string[] | undefined;
  /** Shards of the cluster. Default 1,024. */
  numShards?: number | undefined;
  /** Mixed into every hash. Default ''. */
  seed?: string | undefined;
  /**
   * Whether nodes can join, leave and be cut off, and shards move with them, by the production membership on a store in
   * memory with leases of 2 s. Default false: each node keeps the shards it starts with.
   */
  isDynamic?: boolean | undefined;
  /** The handler of every node; its context names the node. */
  handler?: Handler | undefined;
  /** Instead of `handler`: creates one for each node, which handlers with state need. */
  createHandler?: ((nodeId: string) => Handler) | undefined;
  /** Instead of either: the actors that the nodes run; `ref` reaches them. */
  actors?: readonly Actor<unknown, Services>[] | undefined;
  /** What `actors` need, and get as `ctx.services`; required if they need anything. */
  services?: Services | undefined;
  /** Where durable actors keep their state, under the ids of their nodes: a `memoryStateStore()`. Default: a new one. */
  store?: MemoryStateStores | undefined;
  /** Actors that a node keeps in memory per type. Default 1,024. */
  cacheSize?: number | undefined;
  /** The clock of the bus, the nodes and the client. */
  clock?: Clock | undefined;
  /** The logger of the nodes and the client. */
  random?: Random | undefined;
  /** Largest message of the bus, in bytes. Default: that of `createMemoryBus`. */
  maxPayload?: number | undefined;
  /** What the bus does with each packet. Default: it delivers it. */
  policy?: NetworkPolicy | undefined;
  /** Further options of the client. */
  client?: Omit<ClientOptions, Shared | 'routing'> | undefined;
  /** Further options of every node. Its `tracing` also observes the calls that actors make. */
  node?: Omit<NodeOptions, Shared | 'id' | 'shards' | 'membership' | 'handler'> | undefined;
}

export interface TestCluster {
  readonly client: Client;
  /** All nodes in the order of their start, including those that have left. */
  readonly nodes: readonly Node[];
  /** The transport, for more clients and nodes; it is closed with the cluster. */
  readonly transport: Transport;
  readonly bus: MemoryBus;
  /** Returns a ref to the actor of `key`, whichever node owns it. */
  ref<M extends Methods>(contract: Referable<M>, key: string): Ref<M>;
  /** Returns the node that owns `key` now. @throws KEY_REQUIRED; NO_SUBSCRIBER while its shard moves */
  nodeOf(key: string): Node;
  /** Starts another node of a dynamic cluster. @throws INVALID_OPTION; the errors of its start */
  join(id: string): Promise<Node>;
  /**
   * Cuts a node of a dynamic cluster off from the store, not from the bus: its lease expires. @throws INVALID_OPTION
   */
  cut(id: string): void;
  /** Ends the cut: the node rejoins by itself. @throws INVALID_OPTION */
  restore(id: string): void;
  /** Resolves when each shard is where the placement over the serving, reachable nodes wants it. @throws TIMEOUT */
  settled(): Promise<void>;
  /** Closes the cluster. Advances a fake clock only while handlers run; actors whose handlers never end are dropped. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a cluster; resolves when every node serves.
 *
 * @throws INVALID_OPTION
 */
export async function testCluster<Actors extends readonly AnyActor[] = readonly Actor[]>(
  options: TestClusterOptions<ServicesOf<Actors>> & { actors?: Actors | undefined } & GivenServices<
      ServicesOf<Actors>
    >,
): Promise<TestCluster> {
  const {
    nodes: named,
    numShards,
    seed,
    clock,
    random,
    isDynamic,
    maxPayload,
    policy,
    ...more
  } = resolve(OWNER, testClusterSpec, options as TestClusterOptions, checkHandlers);
  const ids = typeof named === 'number' ? Array.from({ length: named }, (_, i) => `node-${i + 1}`) : named;
  const bus = createMemoryBus({ maxPayload, policy, clock });
  const transport = memoryTransport({ bus });
  const shared = { transport, numShards, seed, clock, random };
  const nodes: Node[] = [];
  const ownership = (isDynamic ? dynamicOwnership : staticOwnership)({ ids, numShards, seed, clock, nodes });
  const { routing } = ownership;
  /** The client through which the actors call each other; it must outlive them. */
  const inner = createClient({ ...shared, routing, tracing: more.node?.tracing });
  const states = more.store ?? memoryStateStore({ clock });
  const handlerOf =
    more.createHandler ??
    ((id: string): Handler =>
      toHandler(more, { client: inner, clock, store: states.connect({ member: id, clock }) }));
  const client = createClient({ ...more.client, ...shared, routing });
  const start = async (id: string): Promise<Node> => {
    const node = createNode({ ...more.node, ...shared, ...ownership.of(id), id, handler: handlerOf(id) });
    nodes.push(node);
    await node.start();
    return node;
  };
  const whileTimePasses = async <T>(work: Promise<T>, stepMs: number): Promise<T> => {
    await passTime(work, clock, stepMs);
    return work;
  };

  async function close(): Promise<void> {
    // Check this first: closing the client cancels its calls; then nodes wait for none, but their actors may.
    const isBusy = isDynamic || nodes.some(({ inFlight }) => inFlight > 0);
    await client.close();
    const closing = Promise.all(nodes.map((node) => node.close()));
    if (isBusy) await passTime(closing, clock, actorDefaults.passivateMs);
    await closing;
    await inner.close();
    await transport.close();
  }
  const starting = Promise.all(ids.map(start));
  try {
    await (isDynamic ? whileTimePasses(starting, STEP_MS) : starting);
    if (isDynamic) await whileTimePasses(ownership.settled(), STEP_MS);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    client,
    nodes,
    transport,
    bus,
    ref: (contract, key) => contract.ref(client, key),
    nodeOf(key) {
      const shard = client.shardOf(key);
      const owner = nodes.find((node) => node.owns(shard));
      if (owner !== undefined) return owner;
      throw new ClstrError('NO_SUBSCRIBER', `no node owns key ${describe(key)} (shard ${shard}) now`);
    },
    async join(id) {
      ownership.checkJoin(id);
      return whileTimePasses(start(id), STEP_MS);
    },
    cut: (id) => ownership.cut(id),
    restore: (id) => ownership.restore(id),
    settled: () => whileTimePasses(ownership.settled(), STEP_MS),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The step of a fake clock while the test waits for a dynamic cluster. */
const STEP_MS = 20;

const OWNER = 'testCluster';
const MAX_NODES = 10_000;

type Maybe =
  | 'handler'
  | 'createHandler'
  | 'actors'
  | 'services'
  | 'store'
  | 'clock'
  | 'random'
  | 'maxPayload'
  | 'policy'
  | 'client'
  | 'node';

export const testClusterSpec: Spec<Resolved<TestClusterOptions, Maybe>> = {
  nodes: option(checkNodes, defaults.nodes),
  numShards: orMade(handedOn(), () => core.numShards),
  seed: orMade(handedOn(), () => core.seed),
  isDynamic: flag(false),
  handler: handedOn(),
  createHandler: handedOn(),
  actors: handedOn(),
  services: handedOn(),
  store: optional(methods(['connect'])),
  cacheSize: orMade(handedOn(), () => actorDefaults.cacheSize),
  clock: handedOn(),
  random: handedOn(),
  maxPayload: handedOn(),
  policy: handedOn(),
  client: handedOn(),
  node: handedOn(),
};

function checkNodes(owner: string, name: string, nodes: unknown): number | readonly string[] {
  if (typeof nodes === 'number') return checkInteger(owner, name, nodes, 1, MAX_NODES);
  if (Array.isArray(nodes) && nodes.length > 0 && new Set(nodes).size === nodes.length) {
    return nodes as string[];
  }
  throw invalidOption(owner, name, nodes, 'at least one node, each with a unique id');
}

/** What runs on the nodes is given in one of three ways. */
function checkHandlers(given: TestClusterOptions): void {
  const { handler, createHandler, actors, services, cacheSize } = given;
  if ([handler, createHandler, actors].filter((way) => way !== undefined).length !== 1) {
    throw new ClstrError('INVALID_OPTION', `${OWNER}: give one of handler, createHandler and actors`);
  }
  if (actors === undefined && (services !== undefined || cacheSize !== undefined)) {
    throw new ClstrError('INVALID_OPTION', `${OWNER}: services and cacheSize are for actors`);
  }
}

function toHandler(
  options: Pick<TestClusterOptions, 'handler' | 'actors' | 'services' | 'cacheSize' | 'node'>,
  host: { client: Client; clock: Clock | undefined; store: StateStore },
): Handler {
  const { handler, actors, services, cacheSize, node } = options;
  return actors === undefined
    ? handler!
    : actorHandler(actors, { ...host, services, cacheSize, logger: node?.logger });
}

/** Advances a fake clock until `work` has ended, so that a clock that stands still does not block a test. */
async function passTime(work: Promise<unknown>, clock: Clock | undefined, stepMs: number): Promise<void> {
  if (clock === undefined || !isFakeClock(clock)) return;
  const ended = work.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([ended, clock.advance(stepMs)])));
}

function isFakeClock(clock: Clock): clock is FakeClock {
  return typeof (clock as Partial<FakeClock>).advance === 'function';
}
