/** What a cluster store gives to have its contract checked. */
import type { ClusterStore } from '@clstr/core/store';

/** One member's connection, and the faults that can happen to it. */
export interface MemberUnderTest {
  readonly store: ClusterStore;
  /** Cuts the member off, and stays so; the store notices by itself. */
  cut(): void;
  /** Requests arrive, answers and watches do not; nobody is told. Until `restore`. */
  loseAnswers(): void;
  /** Nothing arrives, in either direction, or later; nobody is told. Until `restore`. */
  loseEverything(): void;
  /**
   * Ends the fault, and resolves when the store says that it is connected. A connection that has lost something may
   * be cut for it.
   */
  restore(): Promise<void>;
}

/** Members of one cluster share a bucket with each other, and with nobody else. At first there is none. */
export interface ClusterUnderTest {
  /** The stage closes the store. */
  connect(): Promise<MemberUnderTest>;
  /** As an operator does it: no member is told. */
  deleteBucket(): Promise<void>;
  /** Called after every store is closed. */
  close?(): Promise<void>;
}

export interface StoreUnderTest {
  /** A new cluster for each behaviour. */
  createCluster(): Promise<ClusterUnderTest>;
  /** Sentence → why it cannot hold on this store. */
  skips?: Readonly<Record<string, string>>;
}
