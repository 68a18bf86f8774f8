/** What a bus does with each packet: the seam through which tests lose, delay and repeat messages. */

export interface Packet {
  /** Who sends: `client:<clientId>` or `node:<nodeId>.<inc>`. */
  readonly from: string;
  /** Who receives, in the same form. */
  readonly to: string;
  /** A frame: entries that left in one turn share it, and its effect. Empty for a node that announces itself. */
  readonly bytes: Uint8Array;
}

/**
 * When copies of the packet arrive, in milliseconds from now: `[0]` at once, `[]` never, `[0, 20]` twice.
 * Decided after the receiver was found: a lost packet has reached nobody, and says nothing to its sender.
 */
export type NetworkPolicy = (packet: Packet) => readonly number[];
