/** What a store of actors' state gives to have its contract checked. */
import type { StateStore, StateStoreContext } from '@clstr/core/store';

/** The faults of one connection; where it goes over TCP, `proxyFaults` makes them. */
export interface ConnectionFaults {
  /** Ends the connection, and lets no new one through until `restore`; the store notices by itself. */
  cut(): void;
  /** Until `restore`, requests arrive and answers do not; neither side notices. */
  loseAnswers(): void;
  /** Until `restore`, nothing arrives, nor does it arrive later; neither side notices. */
  loseEverything(): void;
  /** Ends the fault. A connection that has lost something may be ended for it. */
  restore(): void;
}

export interface StateConnection {
  /** The stage closes it. */
  readonly store: StateStore;
  /** What the behaviours of the theme `lost connections` need. */
  readonly faults?: ConnectionFaults | undefined;
}

export interface StateStoreUnderTest {
  /**
   * Opens a connection of its own, as another process would. Each behaviour has a new `context.cluster`, which has no state
   * yet.
   */
  connect(context: StateStoreContext): Promise<StateConnection>;
  /** Sentence or theme → why it cannot hold for this store. */
  skips?: Readonly<Record<string, string>>;
}
