/** What a user of the NATS server may do, for each part that a program can play in a cluster. */
import { checkKnownOptions, invalidOption } from '@clstr/core/internal';
import { checkCluster, defaults, resolveLocation } from './nats-options.ts';
import { NODES_QUEUE, announcementsOf, isPlainSubject } from './subjects.ts';

/**
 * `client` calls; `node` serves; `app` does both, which an actor that calls others needs; `provisioner` calls
 * `provisionCluster`, and may change the bucket's replicas.
 */
export type NatsRole = 'client' | 'node' | 'app' | 'provisioner';

export interface NatsPermissionsOptions {
  role: NatsRole;
  /**
   * Where this user's own inboxes are, as first of `inboxPrefixes` of its transport and as `inboxPrefix` of its
   * membership. One of its own for each user: whoever may listen there hears its answers.
   */
  inboxPrefix: string;
  /** Where nodes may send replies: parts in front of every user's `inboxPrefix`. Default `['_INBOX']`. */
  inboxPrefixes?: readonly string[] | undefined;
  /** Default `clstr`. */
  cluster?: string | undefined;
  /** Default: the name of the cluster. */
  subjectPrefix?: string | undefined;
  /** A node makes the bucket when it is not there. Default false: a provisioner does. */
  mayCreateBucket?: boolean | undefined;
}

/** Subjects that are allowed, all others not: the lists of nats-server's `permissions`, or of a user's JWT. */
export interface NatsPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** @throws INVALID_OPTION */
export function natsPermissions(options: NatsPermissionsOptions): NatsPermissions {
  const { role, ...names } = resolve(options);
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
    default:
      throw invalidOption(OWNER, 'role', role satisfies never, "'client', 'node', 'app' or 'provisioner'");
  }
}

function calls({ subjectPrefix }: Names): string[] {
  return [`${subjectPrefix}.shard.*`, `${subjectPrefix}.node.*.*`, `${subjectPrefix}.topology`];
}

/** A node asks itself whether messages reach it. */
function itself({ subjectPrefix }: Names): string[] {
  return [`${subjectPrefix}.shard.*`, `${subjectPrefix}.node.*.*`];
}

/** Which nodes have taken shards: only they may say so. */
function hears({ subjectPrefix }: Names): string[] {
  return [announcementsOf(subjectPrefix)];
}

function subjects({ subjectPrefix, inboxPrefix }: Names): string[] {
  return [
    `${subjectPrefix}.shard.*`,
    `${subjectPrefix}.node.*.*`,
    // Behind the space: in this queue only, so that each question reaches one node.
    `${subjectPrefix}.topology ${NODES_QUEUE}`,
    `${inboxPrefix}.>`,
  ];
}

function serving(names: Names): string[] {
  const { cluster, inboxPrefixes, mayCreateBucket, subjectPrefix } = names;
  return [
    announcementsOf(subjectPrefix),
    ...inboxPrefixes.map((prefix) => `${prefix}.>`),
    ...['cfg', 'h.*', 'm.*', 's.*'].map((record) => `$KV.${cluster}.${record}`),
    ...(mayCreateBucket ? [`$JS.API.STREAM.CREATE.KV_${cluster}`] : []),
    ...reading(names),
  ];
}

function provisioning(names: Names): string[] {
  const { cluster } = names;
  return [
    ...['cfg', 's.*'].map((record) => `$KV.${cluster}.${record}`),
    `$JS.API.STREAM.CREATE.KV_${cluster}`,
    `$JS.API.STREAM.UPDATE.KV_${cluster}`,
    ...reading(names),
  ];
}

/** Reads, lists and watches of the bucket. */
function reading({ cluster }: Names): string[] {
  const stream = `KV_${cluster}`;
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}

const OWNER = 'natsPermissions';
const KNOWN = [
  'role',
  'inboxPrefix',
  'inboxPrefixes',
  'subjectPrefix',
  'cluster',
  'mayCreateBucket',
] as const satisfies readonly (keyof NatsPermissionsOptions)[];

type Names = Omit<ReturnType<typeof resolve>, 'role'>;

function resolve(given: NatsPermissionsOptions) {
  checkKnownOptions(OWNER, given, KNOWN);
  const { inboxPrefixes = [defaults.inboxPrefix], mayCreateBucket = false } = given;
  if (typeof (mayCreateBucket as unknown) !== 'boolean') {
    throw invalidOption(OWNER, 'mayCreateBucket', mayCreateBucket, 'true or false');
  }
  if (!Array.isArray(inboxPrefixes) || inboxPrefixes.length === 0) {
    throw invalidOption(OWNER, 'inboxPrefixes', inboxPrefixes, 'a list of at least one subject');
  }
  const inboxPrefix = checkSubject('inboxPrefix', given.inboxPrefix);
  const roots = inboxPrefixes.map((prefix: unknown) => checkSubject('inboxPrefixes', prefix));
  if (!roots.some((root) => inboxPrefix === root || inboxPrefix.startsWith(`${root}.`))) {
    throw invalidOption(
      OWNER,
      'inboxPrefix',
      inboxPrefix,
      `below one of inboxPrefixes (${roots.join(', ')})`,
    );
  }
  return {
    role: given.role,
    inboxPrefix,
    inboxPrefixes: roots,
    subjectPrefix: resolveLocation(OWNER, given).subjectPrefix,
    cluster: checkCluster(OWNER, given.cluster),
    mayCreateBucket,
  };
}

function checkSubject(name: string, subject: unknown): string {
  if (typeof subject === 'string' && isPlainSubject(subject)) return subject;
  throw invalidOption(OWNER, name, subject, 'a NATS subject without wildcards');
}
