/** A whole cluster in one process: nodes on a memory bus, each with its share of the shards, and a client. */
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
  /** The node that owns `key`. @throws KEY_REQUIRED */
  nodeOf(key: string): Node;
  /** Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Resolves when every node serves.
 *
 * @throws INVALID_OPTION
 */
export async function testCluster(options: TestClusterOptions): Promise<TestCluster> {
  const { ids, handlerOf, numShards, seed, clock, random, maxPayload, policy, ...more } = resolve(options);
  const bus = createMemoryBus({ maxPayload, policy, clock });
  const transport = memoryTransport({ bus });
  const shared = { transport, numShards, seed, clock, random };
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
    await client.close();
    await Promise.all([...nodes.values()].map((node) => node.close()));
    await transport.close();
  }
  return {
    client,
    nodes: [...nodes.values()],
    transport,
    bus,
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
  'clock',
  'random',
  'maxPayload',
  'policy',
  'client',
  'node',
] as const satisfies readonly (keyof TestClusterOptions)[];

function resolve(given: TestClusterOptions) {
  checkKnownOptions(OWNER, given, KNOWN_OPTIONS);
  const { nodes = defaults.nodes, handler, createHandler, ...rest } = given;
  const ids =
    typeof nodes === 'number'
      ? Array.from({ length: checkInteger(OWNER, 'nodes', nodes, 1, MAX_NODES) }, (_, i) => `node-${i + 1}`)
      : [...nodes];
  if (ids.length === 0 || new Set(ids).size < ids.length) {
    throw invalidOption(OWNER, 'nodes', nodes, 'at least one node, each with an id of its own');
  }
  if ((handler === undefined) === (createHandler === undefined)) {
    throw invalidOption(OWNER, 'handler', handler, 'given, or else createHandler, and not both');
  }
  return {
    ...rest,
    ids,
    handlerOf: createHandler ?? (() => handler!),
    numShards: given.numShards ?? core.numShards,
    seed: given.seed ?? core.seed,
  };
}

const MAX_NODES = 10_000;
