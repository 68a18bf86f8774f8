/** How much a node remembers of calls with an idempotency key. */
import { defaults } from '../base/defaults.ts';
import type { Option, Resolved, Spec } from '../base/spec.ts';
import { integer, milliseconds, orMade, option, resolve } from '../base/spec.ts';

export interface IdempotencyOptions {
  /** How many keys of one shard keep their reply. Default 10,000. */
  maxKeysPerShard?: number | undefined;
  /** How long a key keeps its reply, in milliseconds. Default 120,000. */
  keepMs?: number | undefined;
  /** The replies of all shards of the node together, in bytes. Default 64 MiB. */
  maxBytes?: number | undefined;
}

export type ResolvedIdempotencyOptions = Resolved<IdempotencyOptions>;

export const idempotencySpec: Spec<ResolvedIdempotencyOptions> = {
  maxKeysPerShard: integer(1, Number.MAX_SAFE_INTEGER, defaults.idempotencyKeysPerShard),
  keepMs: milliseconds(1, defaults.idempotencyKeepMs),
  maxBytes: integer(1, Number.MAX_SAFE_INTEGER, defaults.idempotencyBytes),
};

export const idempotencyOption: Option<ResolvedIdempotencyOptions> = orMade(
  option((owner, name, value) => resolve(`${owner} ${name}`, idempotencySpec, value as object)),
  () => resolve('idempotency', idempotencySpec, {}),
);
