/** Watches the traffic of one client: it must not return to an older owner, nor let one call overtake another. */
import type { ClstrError, Transport } from '@clstr/core';
import type {
  Address,
  ClientLink,
  InboundReply,
  NodeAddress,
  OutboundEntry,
  ReplySink,
} from '@clstr/core/wire';
import { isNodeAddress, payloadBytes } from '@clstr/core/wire';
import { altered } from '../altered.ts';
import type { Oracle } from './oracle.ts';

export class ClientWatch {
  readonly #oracle: Oracle;
  readonly #onSend: (entry: OutboundEntry) => void;
  /** The highest epoch of each shard that this client has received. */
  readonly #highest = new Map<number, { highest: number; owner: string }>();
  readonly #lastEpochOf: (shard: number, owner: NodeAddress) => number | undefined;
  /** The calls of each key that were refused and not yet sent again. */
  readonly #refused = new Map<string, Set<OutboundEntry>>();
  readonly #seen = new WeakSet<OutboundEntry>();
  #clusterId = '';

  /** `lastEpochOf` returns the last epoch in which that run of a node really owned a shard. */
  constructor(
    oracle: Oracle,
    onSend: (entry: OutboundEntry) => void,
    lastEpochOf: (shard: number, owner: NodeAddress) => number | undefined,
  ) {
    this.#oracle = oracle;
    this.#onSend = onSend;
    this.#lastEpochOf = lastEpochOf;
  }

  /** Returns the same transport with watched links. */
  wrap(transport: Transport): Transport {
    return altered(transport, { openLink: (options) => this.#wrapLink(transport.openLink(options)) });
  }

  #wrapLink(link: ClientLink): ClientLink {
    return altered(link, {
      send: (to, entry, sink) => {
        this.#sends(to, entry);
        link.send(to, entry, this.#wrapSink(entry, sink));
      },
    });
  }

  #wrapSink(entry: OutboundEntry, sink: ReplySink): ReplySink {
    return {
      onSent: () => sink.onSent(),
      onReply: (reply) => {
        if (isQuestion(entry)) this.#learnAll(reply);
        this.#refusedBy(reply.error, entry, () => sink.onReply(reply));
      },
      onError: (error) => this.#refusedBy(error, entry, () => sink.onError(error)),
    };
  }

  #sends(to: Address, entry: OutboundEntry): void {
    if (isQuestion(entry)) return;
    this.#onSend(entry);
    const { shard, key = '' } = entry;
    if (isNodeAddress(to)) this.#checkRoute(shard, to);
    const refused = this.#refused.get(key);
    refused?.delete(entry);
    if (this.#seen.has(entry)) return;
    this.#seen.add(entry);
    for (const earlier of refused ?? []) {
      if (isDone(earlier)) refused!.delete(earlier);
      else this.#oracle.violated('S7', `a call for ${key} overtakes one that waits to be repeated`);
    }
  }

  /** A reply names its node without an epoch, which may be later than any that this client has received. */
  #checkRoute(shard: number, to: NodeAddress): void {
    const { highest = 0, owner = '' } = this.#highest.get(shard) ?? {};
    if (highest === 0 || owner === nameOf(to)) return;
    const epoch = this.#lastEpochOf(shard, to);
    if (epoch === undefined || epoch >= highest) return;
    this.#oracle.violated(
      'S9',
      `a call for shard ${shard} goes to ${nameOf(to)}, its owner in epoch ${epoch}, though ${highest} is known`,
    );
  }

  #refusedBy(error: ClstrError | undefined, entry: OutboundEntry, pass: () => void): void {
    if (error?.outcome !== 'not-executed' || entry.key === undefined) {
      pass();
      return;
    }
    if (error.code === 'NOT_OWNER') this.#learn(entry.shard, error.details ?? {});
    let refused = this.#refused.get(entry.key);
    if (refused === undefined) this.#refused.set(entry.key, (refused = new Set()));
    refused.add(entry);
    pass();
    if (isDone(entry)) refused.delete(entry);
  }

  #learnAll({ payload, error }: InboundReply): void {
    if (error !== undefined) return;
    const { clusterId, owners } = JSON.parse(new TextDecoder().decode(payloadBytes(payload))) as {
      clusterId: string;
      /** Left out if there is nothing newer than what the client knows. */
      owners?: [number, number, string, string][];
    };
    if (clusterId !== this.#clusterId) this.#highest.clear();
    this.#clusterId = clusterId;
    for (const [shard, epoch, nodeId, inc] of owners ?? []) this.#learn(shard, { epoch, nodeId, inc });
  }

  #learn(shard: number, { epoch, nodeId, inc }: Readonly<Record<string, unknown>>): void {
    if (typeof epoch !== 'number' || typeof nodeId !== 'string' || typeof inc !== 'string') return;
    if (epoch > (this.#highest.get(shard)?.highest ?? 0)) {
      this.#highest.set(shard, { highest: epoch, owner: nameOf({ nodeId, inc }) });
    }
  }
}

function nameOf({ nodeId, inc }: Pick<NodeAddress, 'nodeId' | 'inc'>): string {
  return `${nodeId}.${inc}`;
}

/** Whether the entry asks for the owners of all shards. */
function isQuestion({ type }: OutboundEntry): boolean {
  return type === 'clstr.topology';
}

/** Whether the call has ended, which the client's own calls record. */
function isDone(entry: OutboundEntry): boolean {
  return (entry as { isDone?: boolean }).isDone === true;
}
