/** All planted bugs. */
import { CLIENT_BUGS } from './client-bugs.ts';
import { DURABLE_BUGS } from './durable-bugs.ts';
import { OWNERSHIP_BUGS } from './ownership-bugs.ts';
import type { PlantedBug } from './planted-bug.ts';
import { REACH_BUGS } from './reach-bugs.ts';
import { SESSION_BUGS } from './session-bugs.ts';

export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...SESSION_BUGS,
  ...OWNERSHIP_BUGS,
  ...REACH_BUGS,
  ...CLIENT_BUGS,
  ...DURABLE_BUGS,
];
