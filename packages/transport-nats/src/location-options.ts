/** The options, shared by several factories, that say where a cluster is on a NATS server. */
import { ClstrError } from '@clstr/core';
import {
  DEFAULT_SERVICE,
  invalidOption,
  isPlainSubject,
  option,
  optional,
  serviceLocation,
  text,
} from '@clstr/core/internal';
import type { Option, Spec } from '@clstr/core/internal';
import { defaults } from './defaults.ts';

export interface ClusterNames {
  readonly cluster: string;
  readonly subjectPrefix: string | undefined;
}

/** Where the nodes of one service of a cluster are. */
export interface Location {
  /** First part of their subjects. */
  readonly prefix: string;
  readonly bucket: string;
}

export function locationOf(names: ClusterNames & { readonly service: string | undefined }): Location {
  const { cluster, subjectPrefix: prefix = cluster, service } = names;
  if (service === undefined || service === DEFAULT_SERVICE) return { prefix, bucket: cluster };
  const location = serviceLocation({ name: cluster, prefix }, service);
  return { prefix: location.prefix, bucket: `${cluster}_${service}` };
}

export const clusterName: Option<string> = text(
  defaults.cluster,
  /^[A-Za-z0-9_-]{1,64}$/,
  '1 to 64 of A-Z a-z 0-9 _ -',
);

/** The name is also the default prefix, so that no user can set one and forget the other. */
export const locationPart: Spec<ClusterNames> = {
  cluster: clusterName,
  subjectPrefix: optional(subjectOption()),
};

export function subjectOption(fallback?: string): Option<string> {
  return option(checkSubject, fallback);
}

export const inboxPrefixesOption: Option<readonly string[]> = option(
  (owner, name, value) => {
    if (Array.isArray(value) && value.length > 0) return value.map((item) => checkSubject(owner, name, item));
    // The message hides the value: it may be a URL with a password, given by mistake.
    const message = `${owner}: ${name} must be a list of at least one subject, got a ${typeof value}`;
    throw new ClstrError('INVALID_OPTION', message);
  },
  [defaults.inboxPrefix],
);

function checkSubject(owner: string, name: string, value: unknown): string {
  if (typeof value === 'string' && isPlainSubject(value) && value.length <= 128) return value;
  throw invalidOption(owner, name, value, 'a NATS subject without wildcards');
}
