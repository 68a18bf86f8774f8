/** Where one behaviour is played: starts its clients and nodes, and closes all of them. */
import type { Client, ClientOptions, Handler, Node, NodeOptions, Transport } from '@clstr/core';
import type { ClientLink } from '@clstr/core/wire';
import { createClient, createNode, shardFromString } from '@clstr/core';
import { fakeClock } from '@clstr/testing';
import type { FakeClock } from '@clstr/testing';
import type { BusUnderTest, TransportUnderTest } from './transport-under-test.ts';

/** Few, as each costs a subscription; enough to give several nodes some each. */
const NUM_SHARDS = 16;

export class Stage {
  readonly numShards: number = NUM_SHARDS;
  readonly subject: TransportUnderTest;
  readonly #clients: Client[] = [];
  readonly #nodes: Node[] = [];
  readonly #transports: Transport[] = [];
  #clock: FakeClock | undefined;
  #bus: Promise<BusUnderTest> | undefined;
  #lastClientId = 0;

  constructor(subject: TransportUnderTest) {
    this.subject = subject;
  }

  /** From now on time stands still unless advanced. Call before anything else. */
  stopTime(): FakeClock {
    if (this.#bus !== undefined) throw new Error('stopTime() comes before the first client or node');
    this.#clock = fakeClock({ monoMs: 1_000_000 });
    return this.#clock;
  }

  async transport(): Promise<Transport> {
    this.#bus ??= this.subject.createBus({ clock: this.#clock });
    const transport = await (await this.#bus).connect();
    this.#transports.push(transport);
    return transport;
  }

  /** A client, on a transport of its own unless one is given. */
  async client(options: Partial<ClientOptions> = {}): Promise<Client> {
    const transport = options.transport ?? (await this.transport());
    const client = createClient({ numShards: NUM_SHARDS, clock: this.#clock, ...options, transport });
    this.#clients.push(client);
    return client;
  }

  /** A node that serves, by default all shards, on a transport of its own unless one is given. */
  async node(handler: Handler, options: Partial<NodeOptions> = {}): Promise<Node> {
    const transport = options.transport ?? (await this.transport());
    const shards = Array.from({ length: NUM_SHARDS }, (_, shard) => shard);
    const node = createNode({
      numShards: NUM_SHARDS,
      shards,
      clock: this.#clock,
      ...options,
      transport,
      handler,
    });
    this.#nodes.push(node);
    await node.start();
    return node;
  }

  /** A bare link, for messages that no client would send. */
  async link(clientId: number = ++this.#lastClientId): Promise<ClientLink> {
    return (await this.transport()).openLink({ clientId });
  }

  shardOf(key: string): number {
    return shardFromString(key, NUM_SHARDS);
  }

  /** `count` different keys of one shard. */
  keysOfOneShard(count: number): string[] {
    const shard = this.shardOf('key-0');
    const keys: string[] = [];
    for (let i = 0; keys.length < count; i++) if (this.shardOf(`key-${i}`) === shard) keys.push(`key-${i}`);
    return keys;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.#nodes.map((node) => node.close()));
    await Promise.all(this.#transports.map((transport) => transport.close()));
    await (await this.#bus)?.close?.();
  }
}
