/** What a bus does with each packet: the seam through which tests lose, delay and repeat messages. */

export interface Packet {
  /** The sender: `client:<clientId>` or `node:<nodeId>.<inc>`. */
  readonly from: string;
  /** The receiver, in the same form. */
  readonly to: string;
  /** A frame: entries that left in one turn share it, and its fate. Empty for an announcement. */
  readonly bytes: Uint8Array;
}

/**
 * When copies of the packet arrive, in milliseconds from now: `[0]` at once, `[]` never, `[0, 20]` twice.
 * The bus asks after it has found the receiver: the sender of a lost packet gets no error.
 */
export type NetworkPolicy = (packet: Packet) => readonly number[];
