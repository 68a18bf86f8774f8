/** Learns the owner of each shard from the nodes themselves; it never returns to an older owner. */
import type { Clock } from '../base/clock.ts';
import { decodePayload, jsonCodec } from '../wire/codec.ts';
import { TOPOLOGY_TYPE } from '../wire/envelope.ts';
import type { ClstrError } from '../base/errors.ts';
import { nodeAddress } from '../wire/address.ts';
import type { Random } from '../base/random.ts';
import type { Routes } from './routes.ts';
import { isShard } from '../placement/shard.ts';
import type { ClientLink, InboundReply, NodeAddress, OutboundEntry, ReplySink } from '../wire/transport.ts';
import { TOPOLOGY_ADDRESS } from '../wire/transport.ts';
import { UnownedShards } from './unowned-shards.ts';
import type { NoOwner } from './unowned-shards.ts';

export interface ClientTopologyOptions {
  readonly link: ClientLink;
  readonly clock: Clock;
  readonly random: Random;
  readonly routes: Routes;
  readonly numShards: number;
  readonly nextAttempt: () => number;
  /** Called with the cluster of the node that answered; undefined from an earlier build. */
  readonly onIdentity: (cluster: unknown) => void;
  /** Called when a newer owner of the shard becomes known. */
  readonly onMoved: (shard: number) => void;
}

/** How long a node may take to answer before the client asks another one. */
const ANSWER_MS = 500;
/** The pause between two questions, as many calls may be refused at once. */
const PAUSE_MS = 50;
/** All clients get an announcement at once: each asks at a random moment within this time. */
const JITTER_MS = 50;
/** The pause between two questions after announcements: a sender of many must not make all clients ask all the time. */
const ANNOUNCED_PAUSE_MS = 200;

export class ClientTopology {
  readonly #options: ClientTopologyOptions;
  /** One object per run of a node, so that entries for it share a batch. */
  readonly #addresses = new Map<string, NodeAddress>();
  readonly #unowned = new UnownedShards();
  #answeredMs = -Infinity;
  #clusterId = '';
  /** The version of the owners in the last answer: the next answer is short if there is nothing newer. */
  #version: string | undefined;
  #question: Question | undefined;
  #isAskedAgain = false;
  #cancelTimer: (() => void) | undefined;
  /** The last question got no answer: the nodes' common subject may lead to a node that stands still. */
  #isSilent = false;
  /** The node of the last announcement: it is not silent, if it is a node at all. */
  #announcer: NodeAddress | undefined;
  #announcedMs = -Infinity;
  #cancelAnnounced: (() => void) | undefined;
  #isClosed = false;

  constructor(options: ClientTopologyOptions) {
    this.#options = options;
  }

  /** Asks a node for all owners, unless that is under way. */
  refresh(): void {
    if (this.#isClosed) return;
    if (this.#question !== undefined || this.#cancelTimer !== undefined) this.#isAskedAgain = true;
    else this.#ask();
  }

  /**
   * A node has announced that it has taken shards, or another sender has in its name: the client learns nothing from
   * that, but asks in a moment.
   */
  onAnnouncement(from: NodeAddress | undefined): void {
    if (this.#isClosed) return;
    if (from !== undefined) this.#announcer = from;
    if (this.#cancelAnnounced !== undefined) return;
    const { clock, random } = this.#options;
    const pauseMs = Math.max(0, this.#announcedMs + ANNOUNCED_PAUSE_MS - clock.monoMs());
    this.#cancelAnnounced = clock.timer(
      () => {
        this.#cancelAnnounced = undefined;
        this.#announcedMs = clock.monoMs();
        this.refresh();
      },
      pauseMs + (JITTER_MS * random.bytes(1)[0]!) / 256,
    );
  }

  /** Why no node owns the shard, if a node has said so since `sinceMs`. */
  noOwner(shard: number, sinceMs: number): NoOwner | undefined {
    return this.#answeredMs < sinceMs ? undefined : this.#unowned.get(shard);
  }

  /** Learns the shard's owner from a refusal. */
  learnFrom(shard: number, { details }: ClstrError): void {
    const { epoch, nodeId, inc } = details ?? {};
    if (isEpoch(epoch)) this.#learn(shard, epoch, nodeId, inc);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
    this.#cancelAnnounced?.();
  }

  #ask(): void {
    const { link, clock, nextAttempt } = this.#options;
    const announcer = this.#isSilent ? this.#announcer : undefined;
    this.#isSilent = false;
    if (announcer !== undefined) this.#announcer = undefined;
    const known = this.#version === undefined ? null : { known: this.#version };
    const question = new Question(nextAttempt(), jsonCodec.encode(known), (reply, refusal) => {
      if (this.#question !== question) return;
      // Only the announcement itself says that there is such a node.
      if (announcer !== undefined && reply === undefined) this.#isAskedAgain = true;
      if (refusal?.retryable === true) this.#isAskedAgain = true;
      this.#answered(reply, refusal?.code === 'OVERLOADED' ? this.#longPauseMs() : PAUSE_MS);
    });
    this.#question = question;
    this.#cancelTimer = clock.timer(() => {
      link.cancel(question.attempt);
      // The question went to a silent node, and the bus did not report that the node is gone.
      this.#isAskedAgain = true;
      this.#isSilent = true;
      this.#answered(undefined, PAUSE_MS);
    }, ANSWER_MS);
    link.send(announcer ?? TOPOLOGY_ADDRESS, question, question);
  }

  /** A node that is busy with questions is asked no sooner than a silent one, and not by all clients at once. */
  #longPauseMs(): number {
    return ANSWER_MS * (0.5 + this.#options.random.bytes(1)[0]! / 256);
  }

  #answered(reply: InboundReply | undefined, pauseMs: number): void {
    const { clock } = this.#options;
    this.#question = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = clock.timer(() => {
      this.#cancelTimer = undefined;
      if (!this.#isAskedAgain) return;
      this.#isAskedAgain = false;
      this.#ask();
    }, pauseMs);
    if (reply === undefined) return;
    try {
      this.#learnAll(decodePayload(jsonCodec, reply.payload, reply.isRaw));
    } catch {
      // A node of this cluster does not answer so: the shards' own subjects still lead to their owners.
    }
  }

  #learnAll(topology: unknown): void {
    const { clusterId, owners, unowned, cluster, version } = (topology ?? {}) as Partial<
      Record<string, unknown>
    >;
    this.#options.onIdentity(cluster);
    // Empty if a node of a static cluster answers, which knows no owners; absent if there is nothing new.
    if (typeof clusterId !== 'string' || clusterId === '') return;
    const { clock, numShards } = this.#options;
    this.#answeredMs = clock.monoMs();
    if (!Array.isArray(owners)) return;
    if (clusterId !== this.#clusterId) this.#options.routes.forgetEpochs();
    this.#clusterId = clusterId;
    for (const owner of owners as unknown[]) {
      const [shard, epoch, nodeId, inc] = Array.isArray(owner) ? (owner as unknown[]) : [];
      if (isEpoch(epoch) && isShard(shard, numShards)) this.#learn(shard, epoch, nodeId, inc);
    }
    this.#unowned.learn(unowned, numShards, this.#answeredMs);
    this.#version = typeof version === 'string' && version.length <= MAX_VERSION ? version : undefined;
  }

  #learn(shard: number, epoch: number, nodeId: unknown, inc: unknown): void {
    const { routes, onMoved } = this.#options;
    if (epoch <= routes.epochOf(shard)) return;
    const address = this.#addressOf(nodeId, inc);
    if (address === undefined) return;
    routes.learn(shard, epoch, address);
    this.#unowned.onOwner(shard);
    onMoved(shard);
  }

  #addressOf(nodeId: unknown, inc: unknown): NodeAddress | undefined {
    const address = nodeAddress(nodeId, inc);
    if (address === undefined) return undefined;
    const name = `${address.nodeId}.${address.inc}`;
    const known = this.#addresses.get(name);
    if (known !== undefined) return known;
    if (this.#addresses.size >= MAX_ADDRESSES) this.#addresses.clear();
    this.#addresses.set(name, address);
    return address;
  }
}

/** The longest version that the client keeps; nodes of an earlier build send none. */
const MAX_VERSION = 64;
const MAX_ADDRESSES = 10_000;

function isEpoch(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** A node has replied or refused, or the question reached no node because of `failure`. */
type QuestionEnd = (
  reply: InboundReply | undefined,
  refusal: ClstrError | undefined,
  failure: ClstrError | undefined,
) => void;

/** The question as an entry on the wire, and the sink of its answer. */
export class Question implements OutboundEntry, ReplySink {
  readonly isNotify = false;
  readonly shard: number;
  readonly type: string;
  readonly key = undefined;
  readonly headers = undefined;
  readonly isRaw = false;
  readonly attempt: number;
  readonly payload: string | Uint8Array;
  readonly #onEnd: QuestionEnd;

  constructor(
    attempt: number,
    payload: string | Uint8Array,
    onEnd: QuestionEnd,
    type: string = TOPOLOGY_TYPE,
    shard = 0,
  ) {
    this.attempt = attempt;
    this.payload = payload;
    this.#onEnd = onEnd;
    this.type = type;
    this.shard = shard;
  }

  remainingMs(): number {
    return ANSWER_MS;
  }

  onSent(): void {
    /* an answer follows, or the time runs out */
  }

  onReply(reply: InboundReply): void {
    if (reply.error === undefined) this.#onEnd(reply, undefined, undefined);
    else this.#onEnd(undefined, reply.error, undefined);
  }

  onError(error: ClstrError): void {
    this.#onEnd(undefined, undefined, error);
  }
}
