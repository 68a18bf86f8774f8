/** What a store answers to a compare-and-set. */
import type { ClstrError } from './errors.ts';

/**
 * The result of a compare-and-set. `lost` is certain: the newest write of the key has another revision, which may come
 * from an earlier sending of the same write. `undecided`: another write of the key is in flight, often an earlier sending
 * of the same write. `unknown`: no answer came; the write may have been done, be done later, or never. With a `refusal`
 * the store answered why it did not write: that is for people only, as no decision rests on it.
 */
export type CasOutcome =
  | { readonly kind: 'acked'; readonly revision: number }
  | { readonly kind: 'lost' }
  | { readonly kind: 'undecided' }
  | { readonly kind: 'unknown'; readonly refusal?: ClstrError | undefined };
