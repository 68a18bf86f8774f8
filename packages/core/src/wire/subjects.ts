/** Builds and reads the subjects of shards, nodes and inboxes, and decides which reply subjects to trust. */
import { invalidOption } from '../base/options.ts';
import { nodeAddress } from './address.ts';
import { isNodeAddress, isTopologyAddress } from './transport.ts';
import type { Address, NodeAddress } from './transport.ts';

/**
 * Where messages for an address go. Anything but a plain subject could inject protocol: it is refused before a message
 * leaves, whatever made the address.
 *
 * @throws INVALID_OPTION
 */
export function subjectOf(prefix: string, address: Address): string {
  if (isTopologyAddress(address)) return `${prefix}.topology`;
  if (isNodeAddress(address)) {
    const subject = `${prefix}.node.${address.nodeId}.${address.inc}`;
    if (!checkedAddresses.has(address)) {
      checkPlainSubject(subject);
      checkedAddresses.add(address);
    }
    return subject;
  }
  const { shard } = address;
  if (!Number.isSafeInteger(shard) || shard < 0) throw invalidOption('send', 'shard', shard, 'a shard');
  return `${prefix}.shard.${shard}`;
}

/** The same few objects come again and again: each is checked once. The options check the prefix. */
const checkedAddresses = new WeakSet<NodeAddress>();

/** How errors name a subject: without the shard, because an error may reach the callers of its caller. */
export function describeSubject(subject: string): string {
  return subject.replace(/\.shard\.\d+$/, '.shard.*');
}

/** Where nodes announce themselves to clients. */
export function announcementsOf(prefix: string): string {
  return `${prefix}.topology.changes`;
}

/** Whether `subject` is dot-separated tokens of printable ASCII without wildcards, and so safe to publish to. */
export function isPlainSubject(subject: string): boolean {
  return subject.length <= MAX_SUBJECT_LENGTH && PLAIN_SUBJECT.test(subject);
}

/** @throws INVALID_OPTION */
export function checkPlainSubject(subject: string): void {
  if (isPlainSubject(subject)) return;
  const expected = `a subject of at most ${MAX_SUBJECT_LENGTH} printable characters without wildcards`;
  throw invalidOption('send', 'the subject', subject, expected);
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
    const [nodeId, inc, ...more] = subject.slice(this.#start.length).split('.', 3);
    const address = more.length === 0 ? nodeAddress(nodeId, inc) : undefined;
    if (address === undefined) return undefined;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(subject, address);
    return address;
  }
}

const MAX_KNOWN = 10_000;
