/** What a cluster store gives to have its contract checked. */
import type { ClusterStore } from '@clstr/core/store';

/** One member's connection, and the faults that can happen to it. */
export interface MemberUnderTest {
  readonly store: ClusterStore;
  /** Cuts the member off, and stays so; the store notices by itself. */
  cut(): void;
  /** Until `restore`, requests arrive, but answers and watches do not, and nobody learns of the fault. */
  loseAnswers(): void;
  /** Until `restore`, nothing arrives in either direction, not even later, and nobody learns of the fault. */
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
  /** As an operator does it: no member gets a notice. */
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
