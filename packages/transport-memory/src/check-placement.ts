/** The option `placement`, which more than one factory has. */
import type { PlacementKind } from '@clstr/core';
import { invalidOption } from '@clstr/core/internal';

/** Default `rendezvous`. @throws INVALID_OPTION */
export function checkPlacement(owner: string, placement: PlacementKind = 'rendezvous'): PlacementKind {
  if (['rendezvous', 'bounded'].includes(placement)) return placement;
  throw invalidOption(owner, 'placement', placement, "'rendezvous' or 'bounded'");
}
