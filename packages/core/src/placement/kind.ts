import { oneOf } from '../base/spec.ts';
import type { Option } from '../base/spec.ts';

/** Which placement a cluster uses; all its members use the same. */
export type PlacementKind = 'rendezvous' | 'bounded';

export const PLACEMENT_KINDS: readonly PlacementKind[] = ['rendezvous', 'bounded'];

export const placementOption: Option<PlacementKind> = oneOf(PLACEMENT_KINDS, 'rendezvous');
