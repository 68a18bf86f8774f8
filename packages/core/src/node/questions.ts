/**
 * What a node answers by itself: who owns what, and what it serves. Anyone may ask, as often as they like: an answer is
 * made once and given to all until something changes, and only so much is answered in a second.
 */
import type { Clock } from '../base/clock.ts';
import type { ClusterIdentity } from '../wire/cluster-identity.ts';
import { decodePayload, jsonCodec } from '../wire/codec.ts';
import { NODE_INFO_TYPE } from '../wire/envelope.ts';
import { Refusal } from '../base/errors.ts';
import { fingerprintOf } from '../placement/fingerprint.ts';
import type { Shards, Topology } from '../cluster/shards.ts';
import type { InboundEntry, ReplyPort } from '../wire/transport.ts';

export interface QuestionsOptions {
  readonly nodeId: string;
  readonly shards: Shards;
  /** What clients compare themselves with. */
  readonly identity: ClusterIdentity;
  readonly clock: Clock;
}

/** About 300 answers of 1,024 shards, which take a tenth of a second. */
const BYTES_PER_SECOND = 8_388_608;
/** In one go: other work waits no longer for it than about 25 ms. */
const MOST_BYTES = 2_097_152;
/** What an answer costs beside its bytes. */
const ANSWER_BYTES = 1_024;
/** To make an answer takes about as long as to send it so many times. */
const MAKING = 8;
/** Longest payload of a question that is looked at. */
const MAX_QUESTION = 256;

export class Questions {
  readonly #options: QuestionsOptions;
  #topology: Topology | undefined;
  #version = '';
  #owners = '';
  #nothingNew = '';
  #shards: readonly number[] | undefined;
  #info = '';
  #leftBytes = MOST_BYTES;
  #refilledMs = -Infinity;
  /** The answer to the last question for the owners: a client has one open at a time, and a batch gets one answer. */
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

  /** The framework's own messages are JSON, whatever codec the application's payloads have. */
  answer(entry: InboundEntry, nowMs: number): string | Refusal {
    this.#refill(nowMs);
    if (this.#leftBytes <= 0) {
      return new Refusal(
        'OVERLOADED',
        `node ${this.#options.nodeId} answers no more questions in this second`,
      );
    }
    const answer = entry.type === NODE_INFO_TYPE ? this.#nodeInfo() : this.#ownersFor(entry);
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

  #nodeInfo(): string {
    const { nodeId, identity } = this.#options;
    const shards = this.#options.shards.list();
    if (shards !== this.#shards) {
      this.#info = this.#made({ node_id: nodeId, shards, cluster: identity });
      this.#shards = shards;
    }
    return this.#info;
  }

  #made(answer: object): string {
    const text = JSON.stringify(answer);
    this.#leftBytes -= MAKING * text.length;
    return text;
  }
}

/** The version of the owners that the asker has; it may write anything there. */
function knownTo({ payload, isRaw }: InboundEntry): unknown {
  if (payload.length > MAX_QUESTION) return undefined;
  try {
    return (decodePayload(jsonCodec, payload, isRaw) as { known?: unknown } | null | undefined)?.known;
  } catch {
    return undefined;
  }
}
