/**
 * What a member publishes about itself, and which nodes may be members together: nodes that use other subjects, another
 * codec or other actors must not form one cluster, although they found the same bucket.
 */
import { describe } from '../base/describe.ts';
import { fingerprintOf } from '../placement/fingerprint.ts';
import { ClstrError } from '../base/errors.ts';

export interface MemberTraits {
  /** First part of the subjects, if the bus has one. */
  readonly prefix?: string | undefined;
  /** Name of the codec. */
  readonly codec?: string | undefined;
  /** Names of what the node hosts, such as actors; absent if the handler declares nothing. */
  readonly hosts?: readonly string[] | undefined;
  /** A fingerprint of all message types that the node handles. */
  readonly types?: string | undefined;
}

export interface DeclaredHandler {
  readonly hosts?: readonly string[] | undefined;
  readonly types?: readonly string[] | undefined;
}

/** The bound of all names together, because every member reads the record of every other. */
const MAX_HOSTS_BYTES = 16_384;

/** @throws INVALID_OPTION */
export function traitsOf(handler: DeclaredHandler, codec: string, prefix: string | undefined): MemberTraits {
  const { hosts, types } = handler;
  for (const [name, list] of Object.entries({ hosts, types })) {
    if (list === undefined || (Array.isArray(list) && list.every(isName))) continue;
    throw new ClstrError(
      'INVALID_OPTION',
      `createNode: handler.${name} must be a list of names, got ${describe(list)}`,
    );
  }
  const traits = {
    prefix,
    codec,
    hosts: hosts && [...new Set(hosts)].sort(),
    types: types && fingerprintOf([...types].sort().join('\n')),
  };
  const bytes = JSON.stringify(hosts ?? []).length;
  if (bytes <= MAX_HOSTS_BYTES) return traits;
  throw new ClstrError(
    'INVALID_OPTION',
    `createNode: the names in handler.hosts take ${bytes} bytes, and ${MAX_HOSTS_BYTES} is the most a member can publish`,
  );
}

export function isTraits(value: unknown): value is MemberTraits {
  if (typeof value !== 'object' || value === null) return false;
  const { prefix, codec, hosts, types } = value as Record<string, unknown>;
  const areTexts = [prefix, codec, types].every((text) => text === undefined || typeof text === 'string');
  return areTexts && (hosts === undefined || (Array.isArray(hosts) && hosts.every(isName)));
}

function isName(name: unknown): boolean {
  return typeof name === 'string' && name !== '';
}

export interface OtherMember {
  readonly nodeId: string;
  readonly traits: MemberTraits;
}

/** Why a node may not be a member beside `others`, which are alive; undefined if it may. */
export function misfitAmong(
  nodeId: string,
  own: MemberTraits,
  others: readonly OtherMember[],
): ClstrError | undefined {
  for (const name of ['prefix', 'codec'] as const) {
    const other = others.find(
      ({ traits }) => own[name] !== undefined && (traits[name] ?? own[name]) !== own[name],
    );
    if (other === undefined) continue;
    const there = other.traits[name];
    return mismatch(
      `node ${nodeId} does not fit into its cluster: ${WORDS[name]} is ${describe(there)} at node ` +
        `${other.nodeId} and ${describe(own[name])} here; give all nodes and clients of a cluster the same`,
      { [name]: { cluster: there, here: own[name] } },
    );
  }
  return hostMisfit(nodeId, own, others);
}

const WORDS = { prefix: 'the subject prefix', codec: 'the codec' } as const;

/** One name in common is enough: during an update, nodes of one service host different sets of actors. */
function hostMisfit(
  nodeId: string,
  { hosts }: MemberTraits,
  others: readonly OtherMember[],
): ClstrError | undefined {
  if (hosts === undefined || hosts.length === 0) return undefined;
  const theirs = new Set(others.flatMap(({ traits }) => traits.hosts ?? []));
  if (theirs.size === 0 || hosts.some((name) => theirs.has(name))) return undefined;
  const cluster = [...theirs].sort();
  return mismatch(
    `node ${nodeId} hosts ${list(hosts)}, and the nodes of this cluster host ${list(cluster)}: two services in one ` +
      "cluster would take each other's shards. Give each service a cluster of its own: the same `cluster` for its " +
      'transport and its membership',
    { hosts: { cluster, here: hosts } },
  );
}

/** How many names a message lists, so that it stays readable. */
const MAX_LISTED = 20;

function list(names: readonly string[]): string {
  const shown = names.slice(0, MAX_LISTED).map((name) => describe(name));
  return names.length > MAX_LISTED
    ? `${shown.join(', ')} and ${names.length - MAX_LISTED} more`
    : shown.join(', ');
}

function mismatch(message: string, details: Record<string, unknown>): ClstrError {
  return new ClstrError('CLUSTER_CONFIG_MISMATCH', message, { details });
}
