/** What the breakers of an app's client say about other nodes. */
import type { OpenBreaker } from '@clstr/core';
import { healthReason } from './reasons.ts';
import type { HealthReason } from './reasons.ts';

/** So many nodes are named; {@link Health} has all of them. */
const MAX_NAMED = 8;

export function breakerReasons(open: readonly OpenBreaker[]): HealthReason[] {
  if (open.length === 0) return [];
  const named = open.slice(0, MAX_NAMED).map(described);
  const more = open.length > MAX_NAMED ? ` and ${open.length - MAX_NAMED} more` : '';
  return [
    healthReason('CIRCUIT_OPEN', `calls to these nodes have failed lately: ${named.join(', ')}${more}`),
  ];
}

function described({ nodeId, service, retryAfterMs }: OpenBreaker): string {
  const until = retryAfterMs === 0 ? 'tried again now' : `tried again in ${retryAfterMs} ms`;
  return `${nodeId} of the service ${service} (${until})`;
}
