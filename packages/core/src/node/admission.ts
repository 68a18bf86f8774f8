/** Whether a node takes a message. All refusals here are `not-executed`. */
import { counted } from '../base/count-text.ts';
import { describe } from '../base/describe.ts';
import { Refusal } from '../base/errors.ts';
import type { Shards } from '../cluster/shards.ts';
import type { KeyRouter } from '../placement/shard.ts';
import { CALL_CHAIN_HEADER } from '../wire/call-chain.ts';
import type { Ticket } from '../wire/call-chain.ts';
import { NO_SHARD, heldBytes } from '../wire/transport.ts';
import type { InboundEntry } from '../wire/transport.ts';
import type { Shedder } from './shedder.ts';

export interface AdmissionOptions {
  readonly nodeId: string;
  readonly shards: Shards;
  readonly router: KeyRouter;
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  /** Whether the node handles messages to itself. */
  readonly hasNodeHandlers?: boolean | undefined;
}

export class Admission {
  /** `nested` admits only calls that come from handlers of this node, directly or through others. */
  admitted: 'all' | 'nested' | 'none' = 'all';
  /** How many messages are accepted and not yet answered. */
  inFlight = 0;
  #inFlightBytes = 0;
  readonly #options: AdmissionOptions;
  readonly #ticket: Ticket;
  readonly #shedder: Shedder | undefined;

  constructor(options: AdmissionOptions, ticket: Ticket, shedder: Shedder | undefined) {
    this.#options = options;
    this.#ticket = ticket;
    this.#shedder = shedder;
  }

  began(bytes: number): void {
    this.inFlight++;
    this.#inFlightBytes += bytes;
  }

  ended(bytes: number): void {
    this.inFlight--;
    this.#inFlightBytes -= bytes;
  }

  /** Hot path: why the entry does not run. @throws KEY_REQUIRED, INVALID_ENVELOPE for an invalid key */
  refusal(entry: InboundEntry, nowMs: number): Refusal | undefined {
    const { shards } = this.#options;
    const { shard, key } = entry;
    const refusal = this.closed(entry);
    if (refusal !== undefined) return refusal;
    if (!shards.admits(shard, nowMs)) {
      if (shard !== NO_SHARD) return shards.refusal(shard);
      const unfit = this.#unfitForNode(entry);
      if (unfit !== undefined) return unfit;
    }
    return (
      this.full(entry, nowMs, heldBytes(entry)) ??
      this.#shedder?.refusal(entry, nowMs) ??
      (key === undefined ? undefined : this.#wrongHome(key, shard))
    );
  }

  /** A message to the node itself, which no node admits as one for a shard. */
  #unfitForNode({ key, type }: InboundEntry): Refusal | undefined {
    const { nodeId, shards, hasNodeHandlers } = this.#options;
    if (hasNodeHandlers !== true) {
      const message = `node ${nodeId} handles no messages to nodes (nodeHandlers), so none of type ${describe(type)}`;
      return new Refusal('UNKNOWN_TYPE', message);
    }
    if (key !== undefined) return new Refusal('INVALID_ENVELOPE', 'a message to a node has no key');
    return shards.isValid ? undefined : new Refusal('NOT_OWNER', `node ${nodeId} has no lease at the moment`);
  }

  /** The refusal of a node that ends. */
  closed({ headers }: InboundEntry): Refusal | undefined {
    if (this.admitted === 'all') return undefined;
    if (this.admitted === 'nested' && this.#ticket.isIn(headers?.[CALL_CHAIN_HEADER])) return undefined;
    return new Refusal('DRAINING', `node ${this.#options.nodeId} is shutting down`);
  }

  /** The refusal when no time is left for the entry, or no room for its bytes. */
  full(entry: InboundEntry, nowMs: number, bytes: number): Refusal | undefined {
    const { nodeId, maxInFlight, maxInFlightBytes } = this.#options;
    if (entry.ttlMs !== undefined && nowMs - entry.receivedAtMs >= entry.ttlMs) {
      const message = `the budget of ${entry.ttlMs} ms for ${describe(entry.type)} ran out before node ${nodeId} could start`;
      return new Refusal('ENVELOPE_EXPIRED', message);
    }
    if (this.inFlight >= maxInFlight || this.#inFlightBytes + bytes > maxInFlightBytes) {
      const message = `node ${nodeId} has ${counted(this.inFlight, 'message')} (${counted(this.#inFlightBytes, 'byte')}) in progress`;
      return new Refusal('OVERLOADED', message);
    }
    return undefined;
  }

  /** A client with another shard count or seed would give a key two homes. It must not learn ours: docs/decisions/0004. */
  #wrongHome(key: string, shard: number): Refusal | undefined {
    if (this.#options.router.shardOf(key, shard) === shard) return undefined;
    const message =
      `the client sent key ${describe(key)} to a shard that is not its home here: ` +
      'numShards and seed must be the same at every client and node';
    return new Refusal('CLUSTER_CONFIG_MISMATCH', message);
  }
}
