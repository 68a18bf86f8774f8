/** The delivery with which a client begins: it follows its cluster, or finds out first whether that is dynamic. */
import type { ClstrError } from '../base/errors.ts';
import type { Delivery } from './delivery.ts';
import { StaticDelivery } from './delivery.ts';
import { Discovery } from './discovery.ts';
import { FollowingDelivery } from './following.ts';
import type { FollowingDeliveryOptions } from './following.ts';
import type { Routing } from './options.ts';

export interface FirstDeliveryOptions extends Omit<FollowingDeliveryOptions, 'numShards' | 'backoffMs'> {
  /** Known at the latest when the cluster proves to be dynamic. */
  readonly numShards: () => number;
  /** The cluster is dynamic: the delivery that takes over. */
  readonly onFound: (delivery: Delivery) => void;
  /** A question for the cluster has ended; with `failure` when it reached no node. */
  readonly onAsked: (failure: ClstrError | undefined) => void;
}

const FIRST_BACKOFF_MS = 25;
const MAX_BACKOFF_MS = 1_000;

export function firstDelivery(routing: Routing, options: FirstDeliveryOptions): Delivery {
  const { random, numShards, onFound } = options;
  const backoffMs = (repeat: number): number => {
    const ceiling = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** repeat);
    return (ceiling * (1 + random.bytes(1)[0]!)) / 256;
  };
  const follow = (): Delivery => new FollowingDelivery({ ...options, numShards: numShards(), backoffMs });
  if (routing === 'topology') return follow();
  const discovery =
    routing === 'auto' ? new Discovery({ ...options, onFound: () => onFound(follow()) }) : undefined;
  return new StaticDelivery({ ...options, discovery, backoffMs });
}
