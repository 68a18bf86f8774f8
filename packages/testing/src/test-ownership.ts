/** The ownership of shards in a test cluster: fixed shares, or a membership that moves them. */
import type { Clock, Node, NodeOptions, Routing } from '@clstr/core';
import { ClstrError, createPlacement, systemClock } from '@clstr/core';
import { invalidOption } from '@clstr/core/internal';
import { createMemoryStore, memoryMembership } from '@clstr/transport-memory';

export interface OwnershipOptions {
  /** The ids of the nodes with which the cluster starts. */
  readonly ids: readonly string[];
  readonly numShards: number;
  readonly seed: string;
  readonly clock: Clock | undefined;
  /** All nodes started so far, kept up to date by the cluster. */
  readonly nodes: readonly Node[];
}

export interface Ownership {
  readonly routing: Routing;
  /** The options that a node gets for it. */
  of(id: string): Pick<NodeOptions, 'shards' | 'membership'>;
  /** @throws INVALID_OPTION when no node with that id can be added */
  checkJoin(id: string): void;
  cut(id: string): void;
  restore(id: string): void;
  /** @throws TIMEOUT */
  settled(): Promise<void>;
}

export function staticOwnership({ ids, numShards, seed }: OwnershipOptions): Ownership {
  const placement = createPlacement({ numShards, seed });
  for (const id of ids) placement.addNode(id);
  const refuse = (): never => {
    const message = 'testCluster: nodes join and are cut off only in a dynamic cluster: set isDynamic: true';
    throw new ClstrError('INVALID_OPTION', message);
  };
  return {
    routing: 'static',
    of: (id) => ({ shards: placement.shardsOf(id) }),
    checkJoin: refuse,
    cut: refuse,
    restore: refuse,
    settled: () => Promise.resolve(),
  };
}

/** The time between two checks of the owners. */
const LOOK_MS = 20;
/** Longer than any move takes with leases of 2 s. */
const SETTLED_WITHIN_MS = 30_000;

export function dynamicOwnership({ numShards, seed, clock, nodes }: OwnershipOptions): Ownership {
  const store = createMemoryStore({ clock, provision: { numShards, seed } });
  const isCut = new Set<string>();
  const time = clock ?? systemClock;
  const placement = createPlacement({ numShards, seed });

  const checkKnown = (id: string): void => {
    if (nodes.some((node) => node.id === id)) return;
    throw invalidOption('testCluster', 'id', id, `one of ${nodes.map((node) => node.id).join(', ')}`);
  };
  /** Finds a shard that is not where the placement wants it. */
  const misplaced = (): number | undefined => {
    const serving = nodes.filter(({ id, state }) => state === 'serving' && !isCut.has(id));
    const owners = new Map(serving.map((node) => [node.id, node]));
    for (const { id } of nodes) {
      if (owners.has(id)) placement.addNode(id);
      else placement.removeNode(id);
    }
    for (let shard = 0; shard < numShards; shard++) {
      if (owners.get(placement.ownerOf(shard) ?? '')?.owns(shard) !== true) return shard;
    }
    return undefined;
  };

  return {
    routing: 'topology',
    of: (id) => ({ membership: memoryMembership({ store, member: id, clock }) }),
    checkJoin(id) {
      if (nodes.every((node) => node.id !== id || node.state === 'closed')) return;
      throw invalidOption('testCluster', 'id', id, 'an id that no other node has');
    },
    cut(id) {
      checkKnown(id);
      isCut.add(id);
      store.cut(id);
    },
    restore(id) {
      checkKnown(id);
      isCut.delete(id);
      store.restore(id);
    },
    async settled() {
      const endsAtMs = time.monoMs() + SETTLED_WITHIN_MS;
      for (let shard = misplaced(); shard !== undefined; shard = misplaced()) {
        if (time.monoMs() >= endsAtMs) {
          const message = `shard ${shard} was not where it belongs after ${SETTLED_WITHIN_MS} ms`;
          throw new ClstrError('TIMEOUT', `testCluster: ${message}`);
        }
        await new Promise<void>((resolve) => time.timer(resolve, LOOK_MS));
      }
    },
  };
}
