/**
 * The nodes that a client knows: those that its routes lead to, and those that it finds by asking shards without a route
 * who serves them. In a dynamic cluster the routes name every node that owns a shard; in a static one it has to ask.
 */
import type { Clock } from '../base/clock.ts';
import { isShard } from '../placement/shard.ts';
import { nodeAddress } from '../wire/address.ts';
import { decodePayload, jsonCodec } from '../wire/codec.ts';
import { NODE_INFO_TYPE } from '../wire/envelope.ts';
import type { ClientLink, InboundReply, NodeAddress } from '../wire/transport.ts';
import type { Routes } from './routes.ts';
import { Question } from './topology.ts';

export interface NodesOptions {
  readonly link: ClientLink;
  readonly clock: Clock;
  readonly routes: Routes;
  readonly numShards: () => number;
  readonly nextAttempt: () => number;
}

/** One run of a node. */
export class KnownNode {
  readonly address: NodeAddress;
  /** The requests of this client to any node that it has not answered. */
  inFlight = 0;
  /** How long it has taken to answer lately, and when that was last measured. */
  latencyMs = 0;
  measuredMs = 0;
  /** Calls to any node leave it out until then. */
  goneUntilMs: number = -Infinity;

  constructor(address: NodeAddress) {
    this.address = address;
  }
}

/** How long a node may take to say what it serves. */
const ANSWER_MS = 500;
/** How many shards are asked at once: one answer tells of many others. */
const FIRST_WAVE = 8;
const LARGEST_WAVE = 128;
/** How long the client takes for granted that shards without an answer have no node. */
const FOUND_MS = 1_000;
/** How often the client asks those shards again while it makes calls to any node. */
const AGAIN_MS = 5_000;
/** How long a node that was not there, or that is shutting down, is left out. */
const GONE_MS = 1_000;
const MAX_NODES = 10_000;

export class Nodes {
  readonly #options: NodesOptions;
  readonly #byName = new Map<string, KnownNode>();
  readonly #byAddress = new Map<NodeAddress, KnownNode>();
  /** The node that answered for each shard that had no route. */
  readonly #found = new Map<number, KnownNode>();
  /** As of this version of the routes. */
  #known: readonly KnownNode[] = [];
  #version = -1;
  #foundMs: number = -Infinity;
  /** Each shard leads to a node. */
  #isComplete = false;
  #finding: Promise<void> | undefined;

  constructor(options: NodesOptions) {
    this.#options = options;
  }

  /** All nodes that the client knows, by name. */
  known(): readonly KnownNode[] {
    const { routes } = this.#options;
    if (routes.version === this.#version) return this.#known;
    if (this.#byName.size > MAX_NODES) this.#forgetAll();
    this.#version = routes.version;
    const found = new Set(this.#found.values());
    for (const address of routes.addresses()) found.add(this.#nodeOf(address));
    this.#known = [...found].sort((a, b) => (nameOf(a.address) < nameOf(b.address) ? -1 : 1));
    return this.#known;
  }

  /** Those to which a call may go now. */
  live(): readonly KnownNode[] {
    const known = this.known();
    const nowMs = this.#options.clock.monoMs();
    return known.some(({ goneUntilMs }) => goneUntilMs > nowMs)
      ? known.filter(({ goneUntilMs }) => goneUntilMs <= nowMs)
      : known;
  }

  /** A node was not there, or refuses all messages. */
  gone(address: NodeAddress): void {
    const node = this.#nodeOf(address);
    node.goneUntilMs = this.#options.clock.monoMs() + GONE_MS;
    for (const [shard, other] of this.#found) if (other === node) this.#found.delete(shard);
    this.#version = -1;
    this.#foundMs = -Infinity;
    this.#isComplete = false;
  }

  /** Hot path: looks for nodes that have come since, if there may be some. */
  findAgain(): void {
    if (this.#isComplete || this.#finding !== undefined) return;
    if (this.#options.clock.monoMs() - this.#foundMs >= AGAIN_MS) void this.find();
  }

  /** Resolves when all shards without a route have been asked; never rejects. */
  find(): Promise<void> {
    this.#finding ??= this.#findAll().finally(() => (this.#finding = undefined));
    return this.#finding;
  }

  async #findAll(): Promise<void> {
    const { clock, numShards } = this.#options;
    if (clock.monoMs() - this.#foundMs < FOUND_MS) return;
    const asked = new Set<number>();
    for (let size = FIRST_WAVE; ; size = Math.min(2 * size, LARGEST_WAVE)) {
      const wave: number[] = [];
      for (let shard = 0; shard < numShards() && wave.length < size; shard++) {
        if (!asked.has(shard) && !this.#hasNode(shard)) wave.push(shard);
      }
      if (wave.length === 0) break;
      for (const shard of wave) asked.add(shard);
      if (!(await this.#askAll(wave))) break;
    }
    this.#foundMs = clock.monoMs();
    this.#isComplete = [...asked].every((shard) => this.#hasNode(shard));
  }

  #hasNode(shard: number): boolean {
    const { routes, clock } = this.#options;
    if (this.#found.has(shard)) return true;
    const address = routes.get(shard);
    return address !== undefined && this.#nodeOf(address).goneUntilMs <= clock.monoMs();
  }

  /** Resolves to whether all of them were answered in time, or have no node. */
  #askAll(shards: readonly number[]): Promise<boolean> {
    const { link, clock, nextAttempt } = this.#options;
    return new Promise((resolve) => {
      const open = new Set<Question>();
      const stopTimer = clock.timer(() => {
        for (const { attempt } of open) link.cancel(attempt);
        resolve(false);
      }, ANSWER_MS);
      for (const shard of shards) {
        const onEnd = (reply: InboundReply | undefined): void => {
          open.delete(question);
          if (reply !== undefined) this.#learn(shard, reply);
          if (open.size > 0) return;
          stopTimer();
          resolve(true);
        };
        const question: Question = new Question(nextAttempt(), '', onEnd, NODE_INFO_TYPE, shard);
        open.add(question);
        link.send({ shard }, question, question);
      }
    });
  }

  /** A node has said which shards it serves. One of the Go implementation names no run, and cannot be reached directly. */
  #learn(shard: number, reply: InboundReply): void {
    let info: unknown;
    try {
      info = decodePayload(jsonCodec, reply.payload, reply.isRaw);
    } catch {
      return;
    }
    const { node_id: nodeId, inc, shards } = (info ?? {}) as Partial<Record<string, unknown>>;
    const address = reply.from ?? nodeAddress(nodeId, inc);
    if (address === undefined) return;
    const node = this.#nodeOf(address);
    node.goneUntilMs = -Infinity;
    this.#found.set(shard, node);
    const numShards = this.#options.numShards();
    if (Array.isArray(shards) && shards.length <= numShards) {
      for (const other of shards as unknown[]) if (isShard(other, numShards)) this.#found.set(other, node);
    }
    this.#version = -1;
  }

  /** One incarnation may have two address objects. */
  #nodeOf(address: NodeAddress): KnownNode {
    let node = this.#byAddress.get(address);
    if (node !== undefined) return node;
    const name = nameOf(address);
    node = this.#byName.get(name);
    if (node === undefined) this.#byName.set(name, (node = new KnownNode(address)));
    this.#byAddress.set(address, node);
    return node;
  }

  /** Runs that have ended are never forgotten one by one. */
  #forgetAll(): void {
    this.#byName.clear();
    this.#byAddress.clear();
    this.#found.clear();
    this.#foundMs = -Infinity;
  }
}

function nameOf({ nodeId, inc }: NodeAddress): string {
  return `${nodeId}.${inc}`;
}
