/**
 * The questions that a node answers by itself: about the owners of shards, and about what it serves. Anyone may ask, as
 * often as they like: the node makes an answer once until something changes, and limits its answers per second.
 */
import type { Clock } from '../base/clock.ts';
import type { ClusterIdentity } from '../wire/cluster-identity.ts';
import { decodePayload, jsonCodec } from '../wire/codec.ts';
import { NODE_INFO_TYPE, PROBE_TYPE, REPLIES_TYPE, TOPOLOGY_TYPE } from '../wire/envelope.ts';
import { Refusal } from '../base/errors.ts';
import { fingerprintOf } from '../placement/fingerprint.ts';
import type { Shards, Topology } from '../cluster/shards.ts';
import type { InboundEntry, ReplyPort } from '../wire/transport.ts';

export interface QuestionsOptions {
  readonly nodeId: string;
  readonly shards: Shards;
  /** The identity with which clients compare their own. */
  readonly identity: ClusterIdentity;
  readonly clock: Clock;
}

/** About 300 answers of 1,024 shards, which take a tenth of a second. */
const BYTES_PER_SECOND = 8_388_608;
/** The bytes of answers in one go, so that other work waits for about 25 ms at most. */
const MOST_BYTES = 2_097_152;
/** The cost of an answer besides its bytes. */
const ANSWER_BYTES = 1_024;
/** Making an answer takes about as long as sending it this many times. */
const MAKING = 8;
/** The longest payload of a question that the node reads. */
const MAX_QUESTION = 256;

export class Questions {
  readonly #options: QuestionsOptions;
  #topology: Topology | undefined;
  #version = '';
  #owners = '';
  #nothingNew = '';
  #shards: readonly number[] | undefined;
  #info = '';
  #inc = '';
  #leftBytes = MOST_BYTES;
  #refilledMs = -Infinity;
  /** The sender of the last question for the owners: a client has one open at a time, and a batch gets one answer. */
  #askedBy: ReplyPort | undefined;
  #askedMs = -Infinity;

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** Whether the same batch has asked before: all its entries came at one instant, from one inbox. */
  isRepeated({ receivedAtMs }: InboundEntry, port: ReplyPort): boolean {
    if (port === this.#askedBy && receivedAtMs === this.#askedMs) return true;
    this.#askedBy = port;
    this.#askedMs = receivedAtMs;
    return false;
  }

  /**
   * The framework's own messages are JSON, whatever codec the application's payloads have. `inc` is the run of this node
   * that answers.
   */
  answer(entry: InboundEntry, nowMs: number, inc: string): string | Refusal {
    this.#refill(nowMs);
    if (this.#leftBytes <= 0) {
      return new Refusal(
        'OVERLOADED',
        `node ${this.#options.nodeId} answers no more questions in this second`,
      );
    }
    const answer = entry.type === NODE_INFO_TYPE ? this.#nodeInfo(inc) : this.#ownersFor(entry);
    this.#leftBytes -= answer.length + ANSWER_BYTES;
    return answer;
  }

  #refill(nowMs: number): void {
    const fresh = ((nowMs - this.#refilledMs) * BYTES_PER_SECOND) / 1_000;
    this.#leftBytes = Math.min(MOST_BYTES, this.#leftBytes + fresh);
    this.#refilledMs = nowMs;
  }

  #ownersFor(entry: InboundEntry): string {
    const { shards, identity } = this.#options;
    const topology = shards.topology();
    if (topology !== this.#topology) {
      const { clusterId } = topology;
      const version = fingerprintOf(JSON.stringify(topology));
      this.#owners = this.#made({ ...topology, cluster: identity, version });
      this.#nothingNew = JSON.stringify({ clusterId, cluster: identity, version });
      this.#version = version;
      this.#topology = topology;
    }
    return knownTo(entry) === this.#version ? this.#nothingNew : this.#owners;
  }

  #nodeInfo(inc: string): string {
    const { nodeId, identity } = this.#options;
    const shards = this.#options.shards.list();
    if (shards !== this.#shards || inc !== this.#inc) {
      this.#info = this.#made({ node_id: nodeId, shards, cluster: identity, inc });
      this.#shards = shards;
      this.#inc = inc;
    }
    return this.#info;
  }

  #made(answer: object): string {
    const text = JSON.stringify(answer);
    this.#leftBytes -= MAKING * text.length;
    return text;
  }
}

/** Hot path: whether a node answers messages of the type by itself. */
export function isQuestion(type: string): boolean {
  return type === TOPOLOGY_TYPE || type === PROBE_TYPE || type === NODE_INFO_TYPE || type === REPLIES_TYPE;
}

/** The version of the owners that the client says it has. */
function knownTo(entry: InboundEntry): unknown {
  return (questionIn(entry) as { known?: unknown } | null | undefined)?.known;
}

/** What a question asks for; undefined if it is too long or no JSON, as its sender may send anything. */
export function questionIn({ payload, isRaw }: InboundEntry): unknown {
  if (payload.length > MAX_QUESTION) return undefined;
  try {
    return decodePayload(jsonCodec, payload, isRaw);
  } catch {
    return undefined;
  }
}
