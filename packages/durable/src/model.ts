/** The two kinds of durable state behind one interface: how a turn changes it, and what of it is stored. */
import type { MessageContext } from '@clstr/actors/internal';
import type { RecordContent } from './record.ts';

/** What a turn has changed, as JSON. */
export interface Change {
  /** Empty if the state itself is stored. */
  readonly events: readonly string[];
  /** The state after the turn; undefined if there is none, as before the first turn or after `erase`. */
  readonly state: () => string | undefined;
  readonly isErased: boolean;
  /** How large a record of this change alone is at least, in UTF-16 units. */
  readonly length: number;
}

/** The state of one key in memory. It is in the middle of at most one turn that may write. */
export interface StateModel {
  /** What handlers get. */
  readonly state: unknown;
  /** @throws what a record that cannot be used makes it throw */
  restore(records: readonly RecordContent[]): void;
  /** The context of a turn, with what this kind adds to it. */
  contextOf(message: MessageContext, isReadonly: boolean): MessageContext;
  /** What the turn has changed, if anything. It may still be taken back. @throws what JSON cannot hold */
  change(): Change | undefined;
  /** The turn counts, and the next one begins with what it has changed. */
  commit(): void;
  /** The turn has failed: the state is as it was before. */
  rollback(): void;
  /** The state as it is, for a record that a turn needs although it has changed nothing. */
  unchanged(): Change;
}

/** What differs between the kinds for all keys of an actor. */
export interface ModelKind {
  readonly keeps: 'all' | 'newest';
  /** How many events may follow a snapshot. */
  readonly snapshotEvery: number;
  create(key: string): StateModel;
}
