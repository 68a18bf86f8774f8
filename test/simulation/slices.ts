/** What lets a small cluster place its nodes as a large one does: in slices, with turns of the event loop in between. */
import type { Patch } from './bundle.ts';

/** One node in each turn. */
export const SLICES: readonly Patch[] = [
  {
    file: 'packages/core/src/cluster/placing.ts',
    find: 'HASHES_PER_TURN = 8_192',
    replace: 'HASHES_PER_TURN = 1',
  },
];
