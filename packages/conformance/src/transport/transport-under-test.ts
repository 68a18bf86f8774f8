/** What a transport gives to have its contract checked. */
import type { Clock, Transport } from '@clstr/core';

/** Processes of one cluster can reach each other on it, and nobody else can. */
export interface BusUnderTest {
  /** A transport of its own, as another process would have. The stage closes it. */
  connect(): Promise<Transport>;
  /** Called after every transport is closed. */
  close?(): Promise<void>;
}

export interface TransportUnderTest {
  /** A new bus for each behaviour. The clock, when given, is the one that stamps arrivals. */
  createBus(options: { clock: Clock | undefined }): Promise<BusUnderTest>;
  /** Largest message of the bus, in bytes. */
  maxPayload: number;
  /** A payload of this many bytes must still fit, whatever the wire adds. */
  largePayloadBytes: number;
  /** Sentence → why it cannot hold on this transport. */
  skips?: Readonly<Record<string, string>>;
}
