/** One process of a simulated cluster: a real node with real actors, on a clock and a network that can fail. */
import { actorHandler } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { createNode } from '@clstr/core';
import type {
  Clock,
  Logger,
  Node,
  NodeInterceptor,
  NodeOptions,
  Random,
  TimingProfile,
  Transport,
} from '@clstr/core';
import type { Address, EntryReceiver, NodeAddress, Subscription } from '@clstr/core/wire';
import type { ClusterStore } from '@clstr/core/store';
import type { MemoryBus, MemoryStateStores, MemoryStore } from '@clstr/transport-memory';
import { memoryMembership, memoryTransport } from '@clstr/transport-memory';
import { altered } from '../altered.ts';
import { Disturbances } from './disturbances.ts';
import { KnownEpochs } from './known-epochs.ts';
import { ProcessClock } from './process-clock.ts';

export interface SimulatedNodeOptions {
  readonly id: string;
  /** The id of one start of one node, unique in the world. */
  readonly processId: string;
  readonly isExclusive: boolean;
  readonly newBucket: NodeOptions['newBucket'];
  readonly numShards: number;
  readonly bus: MemoryBus;
  readonly store: MemoryStore;
  readonly states: MemoryStateStores;
  readonly worldClock: Clock;
  /** The rate of its monotonic clock, in seconds per true second. */
  readonly clockRate: number;
  readonly timing: TimingProfile;
  readonly random: Random;
  readonly actors: (process: SimulatedNode) => readonly Actor[];
  readonly interceptor: (process: SimulatedNode) => NodeInterceptor;
  readonly logger: Logger;
  /** The name of the link through which the node probes itself. */
  readonly onProbeLink: (name: string) => void;
}

export class SimulatedNode {
  readonly id: string;
  readonly processId: string;
  readonly clock: ProcessClock;
  readonly disturbances: Disturbances = new Disturbances();
  readonly node: Node;
  readonly epochs: KnownEpochs = new KnownEpochs();
  /** The world time since which it has run with the store reachable; Infinity while it does not. */
  unhinderedSinceMs = 0;
  #connection: ClusterStore | undefined;
  /** The reason why it could not start, if it failed. */
  failure: unknown;
  readonly #store: MemoryStore;
  readonly #states: MemoryStateStores;
  readonly #transport: Transport;

  constructor(options: SimulatedNodeOptions) {
    const { id, processId, isExclusive, numShards, bus, store, states, random, logger } = options;
    this.id = id;
    this.processId = processId;
    this.clock = new ProcessClock(options.worldClock, options.clockRate);
    this.#store = store;
    this.#states = states;
    this.#transport = memoryTransport({ bus });
    const membership = memoryMembership({
      store,
      member: processId,
      clock: this.clock,
      timing: options.timing,
    });
    const open = async (): Promise<ClusterStore> => {
      this.#connection = await membership.open();
      return this.epochs.wrap(this.#connection);
    };
    this.node = createNode({
      id,
      transport: inProcess(this.#transport, this.clock, options.onProbeLink),
      numShards,
      membership: { ...membership, open },
      newBucket: options.newBucket,
      identity: isExclusive ? 'exclusive' : 'checked',
      handler: actorHandler(options.actors(this), {
        store: states.connect({ member: processId, clock: this.clock }),
        clock: this.clock,
        logger,
      }),
      interceptors: [options.interceptor(this)],
      clock: this.clock,
      random,
      logger,
    });
  }

  get isRunning(): boolean {
    return this.clock.state === 'running';
  }

  /** Whether it was killed or has closed by itself. */
  get hasEnded(): boolean {
    return this.clock.state === 'dead' || this.node.state === 'closed';
  }

  /** Whether it is a member, to its own knowledge. */
  get isServing(): boolean {
    return this.isRunning && this.node.state === 'serving';
  }

  /** Must be called whenever its disturbances change. */
  noteHindrance(nowMs: number): void {
    const { clock, disturbances } = this;
    const isHindered =
      clock.state !== 'running' || disturbances.hinderStore || this.#connection?.isConnected === false;
    if (isHindered) this.unhinderedSinceMs = Infinity;
    else if (this.unhinderedSinceMs === Infinity) this.unhinderedSinceMs = nowMs;
  }

  start(): void {
    this.node.start().catch((error: unknown) => {
      this.failure = error;
    });
  }

  /** Works like SIGKILL: the server sees its connections break at once. */
  kill(): void {
    this.clock.kill();
    this.#store.cut(this.processId);
    this.#states.cut(this.processId);
    void this.#transport.close();
  }
}

/** Messages that reach the process while it is stopped wait for it, like bytes in a socket. */
function inProcess(
  transport: Transport,
  clock: ProcessClock,
  onProbeLink: (name: string) => void,
): Transport {
  return altered(transport, {
    openLink(options) {
      if (options.isProbe === true) onProbeLink(`client:${options.clientId}`);
      const link = transport.openLink(options);
      const send = link.send.bind(link);
      link.send = (to, entry, sink) => {
        send(to, entry, {
          onSent: () => clock.macrotask(() => sink.onSent()),
          onReply(reply) {
            const payload = reply.payload.slice();
            // A loop that was stopped fires its timers before it reads what arrived in the meantime.
            clock.macrotask(() => {
              clock.macrotask(() => sink.onReply({ ...reply, payload }));
            });
          },
          onError: (error) => clock.macrotask(() => sink.onError(error)),
        });
      };
      return link;
    },
    serve(address: Address, receiver: EntryReceiver, self: NodeAddress): Promise<Subscription> {
      const inTurn: EntryReceiver = {
        onEntry(entry, port) {
          const payload = entry.payload.slice();
          clock.macrotask(() => {
            receiver.onEntry({ ...entry, payload, receivedAtMs: clock.monoMs() }, port);
          });
        },
        onCancel(clientId, attempt) {
          clock.macrotask(() => receiver.onCancel(clientId, attempt));
        },
      };
      return transport.serve(address, inTurn, self);
    },
    service: (name) => inProcess(transport.service(name), clock, onProbeLink),
  });
}
