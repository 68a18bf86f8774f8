/** One sentence of a contract that can be checked. */
import type { Stage } from './stage.ts';

/** Sentence → its check, which throws when the sentence does not hold. */
export type Behaviours = Readonly<Record<string, (stage: Stage) => Promise<void>>>;
