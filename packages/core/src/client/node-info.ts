/** Reads what a node says about itself. */
import { describe } from '../base/describe.ts';
import { ClstrError } from '../base/errors.ts';
import { isAddressToken } from '../wire/address.ts';
import { NODE_INFO_TYPE } from '../wire/envelope.ts';

export interface NodeInfo {
  readonly nodeId: string;
  readonly shards: readonly number[];
}

/** @throws INVALID_ENVELOPE */
export function readNodeInfo(info: unknown, isList: (shards: unknown) => shards is number[]): NodeInfo {
  const { node_id: nodeId, shards } = (info ?? {}) as Partial<Record<string, unknown>>;
  if (isAddressToken(nodeId) && isList(shards)) return { nodeId, shards };
  const message = `a node answered ${NODE_INFO_TYPE} with ${describe(info)}`;
  throw new ClstrError('INVALID_ENVELOPE', message, { outcome: 'executed' });
}
