/** What a user of the NATS server may do, for each role of a program in a cluster. */
import type { Resolved, Spec } from '@clstr/core/internal';
import {
  DEFAULT_SERVICE,
  announcementsOf,
  flag,
  invalidOption,
  oneOf,
  resolve,
  serviceOption,
} from '@clstr/core/internal';
import { NODES_QUEUE } from './nats-bus.ts';
import { inboxPrefixesOption, locationOf, locationPart, subjectOption } from './location-options.ts';
import type { Location } from './location-options.ts';

/**
 * `client` calls; `node` serves; `app` does both, as an actor that calls others needs; `provisioner` calls
 * `provisionCluster`, and may change the bucket's replicas.
 */
export type NatsRole = 'client' | 'node' | 'app' | 'provisioner';

export interface NatsPermissionsOptions {
  role: NatsRole;
  /**
   * Prefix of this user's own inboxes: the first of `inboxPrefixes` of its transport, and `inboxPrefix` of its
   * membership. Give each user its own: any user who may subscribe to it can read its answers.
   */
  inboxPrefix: string;
  /** Where nodes may send replies: prefixes of every user's `inboxPrefix`. Default `['_INBOX']`. */
  inboxPrefixes?: readonly string[] | undefined;
  /** Names the cluster and its bucket. Default `clstr`. */
  cluster?: string | undefined;
  /** First part of all subjects. Default: the name of the cluster. */
  subjectPrefix?: string | undefined;
  /**
   * The service that the user calls or serves, which may be `default`; a user of several has the permissions for each.
   * Default: the one without a name.
   */
  service?: string | undefined;
  /** Whether a node may create a missing bucket. Default false: a provisioner creates it. */
  mayCreateBucket?: boolean | undefined;
  /**
   * Whether a node keeps the state of its actors in JetStream, by `jetstreamStore`. Its user may then create the two streams
   * of the cluster, and read all of them: also the state of other services. Default false.
   */
  keepsState?: boolean | undefined;
}

/** Subjects that are allowed, all others not: the lists of nats-server's `permissions`, or of a user's JWT. */
export interface NatsPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** @throws INVALID_OPTION */
export function natsPermissions(options: NatsPermissionsOptions): NatsPermissions {
  const { role, ...names } = resolveNames(options);
  switch (role) {
    case 'client':
      return { publish: calls(names), subscribe: [...hears(names), `${names.inboxPrefix}.>`] };
    case 'node':
      return { publish: [...itself(names), ...serving(names)], subscribe: subjects(names) };
    case 'app':
      return {
        publish: [...calls(names), ...serving(names)],
        subscribe: [...hears(names), ...subjects(names)],
      };
    case 'provisioner':
      return { publish: provisioning(names), subscribe: [`${names.inboxPrefix}.>`] };
  }
}

function calls({ prefix }: Names): string[] {
  return [`${prefix}.shard.*`, `${prefix}.node.*.*`, `${prefix}.topology`];
}

/** The subjects on which a node probes whether messages reach it. */
function itself({ prefix }: Names): string[] {
  return [`${prefix}.shard.*`, `${prefix}.node.*.*`];
}

/** The announcements of nodes, which only nodes may send. */
function hears({ prefix }: Names): string[] {
  return [announcementsOf(prefix)];
}

function subjects({ prefix, inboxPrefix }: Names): string[] {
  return [
    `${prefix}.shard.*`,
    `${prefix}.node.*.*`,
    // The part after the space allows this queue only, so that each question reaches one node.
    `${prefix}.topology ${NODES_QUEUE}`,
    `${inboxPrefix}.>`,
  ];
}

function serving(names: Names): string[] {
  const { bucket, inboxPrefixes, mayCreateBucket, keepsState, prefix } = names;
  return [
    announcementsOf(prefix),
    ...inboxPrefixes.map((root) => `${root}.>`),
    ...['cfg', 'h.*', 'm.*', 's.*'].map((record) => `$KV.${bucket}.${record}`),
    ...(mayCreateBucket ? [`$JS.API.STREAM.CREATE.KV_${bucket}`] : []),
    ...reading(`KV_${bucket}`),
    ...(keepsState ? ['STATE', 'LOG'].flatMap((kind) => stateIn(kind, names)) : []),
  ];
}

function provisioning(names: Names): string[] {
  const { bucket } = names;
  return [
    ...['cfg', 's.*'].map((record) => `$KV.${bucket}.${record}`),
    `$JS.API.STREAM.CREATE.KV_${bucket}`,
    `$JS.API.STREAM.UPDATE.KV_${bucket}`,
    ...reading(`KV_${bucket}`),
  ];
}

/** The records of a service, and one of the two streams that have them. */
function stateIn(kind: string, { cluster, service = DEFAULT_SERVICE }: Names): string[] {
  const stream = `CLSTR_${kind}_${cluster}`;
  return [
    `${cluster}.${kind.toLowerCase()}.${service}.>`,
    `$JS.API.STREAM.CREATE.${stream}`,
    `$JS.API.STREAM.PURGE.${stream}`,
    ...reading(stream),
  ];
}

/** Reads, lists and watches of a stream. */
function reading(stream: string): string[] {
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}

const OWNER = 'natsPermissions';

export const permissionsSpec: Spec<Resolved<NatsPermissionsOptions, 'subjectPrefix' | 'service'>> = {
  role: oneOf(['client', 'node', 'app', 'provisioner']),
  inboxPrefix: subjectOption(),
  inboxPrefixes: inboxPrefixesOption,
  ...locationPart,
  service: serviceOption,
  mayCreateBucket: flag(false),
  keepsState: flag(false),
};

type Table = Resolved<NatsPermissionsOptions, 'subjectPrefix' | 'service'>;
type Names = Omit<Table, 'role' | 'subjectPrefix'> & Location;

function resolveNames(given: NatsPermissionsOptions): Names & { role: NatsRole } {
  const options = resolve(OWNER, permissionsSpec, given);
  const { inboxPrefix, inboxPrefixes } = options;
  if (!inboxPrefixes.some((root) => inboxPrefix === root || inboxPrefix.startsWith(`${root}.`))) {
    const expected = `below one of inboxPrefixes (${inboxPrefixes.join(', ')})`;
    throw invalidOption(OWNER, 'inboxPrefix', inboxPrefix, expected);
  }
  return { ...options, ...locationOf(options) };
}
