/** NATS subjects: of shards, of nodes, of inboxes, and which reply subjects may be trusted. */
import type { Address, NodeAddress } from '@clstr/core';
import { isNodeAddress, isTopologyAddress } from '@clstr/core';

export function subjectOf(prefix: string, address: Address): string {
  if (isTopologyAddress(address)) return `${prefix}.topology`;
  return isNodeAddress(address)
    ? `${prefix}.node.${address.nodeId}.${address.inc}`
    : `${prefix}.shard.${address.shard}`;
}

/** Where nodes announce themselves to clients. */
export function announcementsOf(prefix: string): string {
  return `${prefix}.topology.changes`;
}

/** Nodes share the questions for the topology. */
export const NODES_QUEUE = 'nodes';

/** Dot-separated tokens of printable ASCII without wildcards: what may be published to without harm. */
export function isPlainSubject(subject: string): boolean {
  return subject.length <= MAX_SUBJECT_LENGTH && PLAIN_SUBJECT.test(subject);
}

const MAX_SUBJECT_LENGTH = 255;
const PLAIN_SUBJECT = /^[!-)+\-/-=?-~]+(?:\.[!-)+\-/-=?-~]+)*$/;

/**
 * Whether a node may publish to `subject` because a message asked for it. Without this check a message whose reply
 * subject is `$JS.API.STREAM.PURGE…` would make the node purge a stream.
 */
export function isInbox(subject: string, inboxPrefixes: readonly string[]): boolean {
  return isPlainSubject(subject) && inboxPrefixes.some((prefix) => subject.startsWith(`${prefix}.`));
}

/** Reads direct subjects back into addresses; equal subjects give the same object. */
export class NodeAddressReader {
  readonly #start: string;
  readonly #known = new Map<string, NodeAddress>();
  #lastSubject = '';
  #lastAddress: NodeAddress | undefined;

  constructor(prefix: string) {
    this.#start = `${prefix}.node.`;
  }

  read(subject: string | undefined): NodeAddress | undefined {
    if (subject === undefined || subject === '') return undefined;
    if (subject !== this.#lastSubject) {
      this.#lastSubject = subject;
      this.#lastAddress = this.#known.get(subject) ?? this.#learn(subject);
    }
    return this.#lastAddress;
  }

  #learn(subject: string): NodeAddress | undefined {
    if (!subject.startsWith(this.#start)) return undefined;
    const [, nodeId, inc] = NODE_TOKENS.exec(subject.slice(this.#start.length)) ?? [];
    if (nodeId === undefined || inc === undefined) return undefined;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    const address = { nodeId, inc };
    this.#known.set(subject, address);
    return address;
  }
}

const NODE_TOKENS = /^([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})$/;
const MAX_KNOWN = 10_000;
