/**
 * The address of one run of a node. There is one way to make one, which checks both parts: they become tokens of a
 * subject, where a space or a line break would be protocol.
 */

declare const isChecked: unique symbol;

/** One run of one node, directly: `inc` (incarnation) is new at each start. Made by {@link nodeAddress} only. */
export interface NodeAddress {
  readonly nodeId: string;
  readonly inc: string;
  readonly [isChecked]: true;
}

/** Undefined unless both are 1 to 64 of `A-Z a-z 0-9 _ -`, whoever said so. */
export function nodeAddress(nodeId: unknown, inc: unknown): NodeAddress | undefined {
  return isAddressToken(nodeId) && isAddressToken(inc) ? ({ nodeId, inc } as NodeAddress) : undefined;
}

/** What a node id and an incarnation may be. */
export function isAddressToken(value: unknown): value is string {
  return typeof value === 'string' && ADDRESS_TOKEN.test(value);
}

export const ADDRESS_TOKEN: RegExp = /^[A-Za-z0-9_-]{1,64}$/;
