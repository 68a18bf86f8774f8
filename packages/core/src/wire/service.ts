/** Where a service of a cluster is: its subjects begin with a prefix of its own, below that of the cluster. */
import { invalidOption } from '../base/options.ts';
import type { Option } from '../base/spec.ts';
import { option, optional } from '../base/spec.ts';
import type { ClusterLocation } from './transport.ts';

/** @throws INVALID_OPTION */
export function serviceLocation({ name, prefix }: ClusterLocation, service: string): ClusterLocation {
  return { name, prefix: `${prefix}.service.${checkServiceName('service', 'name', service)}`, service };
}

/** The name of the service whose addresses begin with the prefix of the cluster itself, as Go peers know them. */
export const DEFAULT_SERVICE = 'default';

export const serviceOption: Option<string | undefined> = optional(option(checkServiceName));

/** No `_`, which separates cluster and service in the name of a bucket. @throws INVALID_OPTION */
export function checkServiceName(owner: string, option: string, name: unknown): string {
  if (typeof name === 'string' && SERVICE_NAME.test(name)) return name;
  throw invalidOption(owner, option, name, 'a name of 1 to 32 of A-Z a-z 0-9 -');
}

const SERVICE_NAME = /^[A-Za-z0-9-]{1,32}$/;
