/** Which placement a cluster uses; all its members use the same. */
export type PlacementKind = 'rendezvous' | 'bounded';
