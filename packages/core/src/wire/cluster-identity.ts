/** What the nodes and clients of a cluster must have in common: nodes report it, and clients compare it. */
import { describe } from '../base/describe.ts';
import { ClstrError } from '../base/errors.ts';
import { fingerprintOf } from '../placement/fingerprint.ts';
import type { ClusterLocation } from './transport.ts';

export interface ClusterIdentity {
  /** Undefined if it is unknown. */
  readonly name?: string | undefined;
  /** First part of the subjects; undefined if the bus has none. */
  readonly prefix?: string | undefined;
  /** Undefined at a client that has yet to ask. */
  readonly numShards: number | undefined;
  /** A fingerprint, because the seed may be a secret: it keeps others from choosing keys of one shard. */
  readonly seed: string;
  /** Name of the codec. */
  readonly codec: string;
}

export interface ClusterSettings {
  readonly numShards: number | undefined;
  readonly seed: string;
  readonly codec: { readonly name: string };
}

export function identityOf(
  { numShards, seed, codec }: ClusterSettings,
  location: ClusterLocation | undefined,
): ClusterIdentity {
  const { name, prefix } = location ?? {};
  return { name, prefix, numShards, seed: fingerprintOf(`seed\0${seed}`), codec: codec.name };
}

const FIELDS = {
  name: 'the cluster',
  prefix: 'the subject prefix',
  numShards: 'numShards',
  seed: 'the fingerprint of the seed',
  codec: 'the codec',
} as const satisfies Record<keyof ClusterIdentity, string>;

/** Why a client does not fit the nodes that gave `answer`; undefined if it does, or they did not say. */
export function misfitWith(own: ClusterIdentity, answer: unknown): ClstrError | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const there = answer as Record<string, unknown>;
  const names = Object.keys(FIELDS) as (keyof ClusterIdentity)[];
  const differing = names.filter(
    (name) => own[name] !== undefined && there[name] !== undefined && there[name] !== own[name],
  );
  if (differing.length === 0) return undefined;
  const list = differing.map(
    (name) => `${FIELDS[name]} is ${describe(there[name])} there and ${describe(own[name])} here`,
  );
  return new ClstrError(
    'CLUSTER_CONFIG_MISMATCH',
    `this client does not fit the cluster that answers it: ${list.join(', ')}; give all nodes and clients the same`,
    {
      details: Object.fromEntries(differing.map((name) => [name, { cluster: there[name], here: own[name] }])),
    },
  );
}
