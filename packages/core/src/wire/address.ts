/**
 * The address of one run of a node. {@link nodeAddress} alone makes one, and checks both parts: they become tokens of a
 * subject, where a space or a line break would be protocol.
 */

declare const isChecked: unique symbol;

/** Addresses one run of one node directly: `inc` (incarnation) is new at each start. */
export interface NodeAddress {
  readonly nodeId: string;
  readonly inc: string;
  readonly [isChecked]: true;
}

/** Returns undefined unless both are 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
export function nodeAddress(nodeId: unknown, inc: unknown): NodeAddress | undefined {
  return isAddressToken(nodeId) && isAddressToken(inc) ? ({ nodeId, inc } as NodeAddress) : undefined;
}

/** Whether `value` may be a node id or an incarnation. */
export function isAddressToken(value: unknown): value is string {
  return typeof value === 'string' && ADDRESS_TOKEN.test(value);
}

export const ADDRESS_TOKEN: RegExp = /^[A-Za-z0-9_-]{1,64}$/;
