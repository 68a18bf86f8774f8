/** Which shards no node owns, as a node said in its last answer, and since when this client knows it. */
import type { NoOwnerReason } from '../cluster/shards.ts';
import { isAddressToken } from '../wire/address.ts';
import { isShard } from '../placement/shard.ts';

export interface NoOwner {
  readonly sinceMs: number;
  readonly reason: NoOwnerReason;
  /** The last owner, where one is known. */
  readonly nodeId: string | undefined;
}

export class UnownedShards {
  #shards = new Map<number, NoOwner>();

  /** Takes in what an answer says; whatever it says, at most `numShards` are kept. */
  learn(unowned: unknown, numShards: number, nowMs: number): void {
    const before = this.#shards;
    this.#shards = new Map();
    for (const group of Array.isArray(unowned) ? (unowned as unknown[]) : []) {
      const [reason, nodeId, shards] = Array.isArray(group) ? (group as unknown[]) : [];
      if (!isReason(reason) || !Array.isArray(shards)) continue;
      for (const shard of shards as unknown[]) {
        if (!isShard(shard, numShards)) continue;
        const sinceMs = before.get(shard)?.sinceMs ?? nowMs;
        this.#shards.set(shard, { sinceMs, reason, nodeId: isAddressToken(nodeId) ? nodeId : undefined });
      }
    }
  }

  /** A newer owner of the shard is known. */
  onOwner(shard: number): void {
    this.#shards.delete(shard);
  }

  get(shard: number): NoOwner | undefined {
    return this.#shards.get(shard);
  }
}

const TEXTS: Readonly<Record<NoOwnerReason, (nodeId: string) => string>> = {
  new: () => 'it has never had an owner, and the first one waits until no earlier owner can be alive',
  restored: () => 'the bucket was lost, and the next owner waits until no earlier owner can be alive',
  released: (nodeId) => `node ${nodeId} handed it over, and no node has taken it yet`,
  gone: (nodeId) => `its owner ${nodeId} was declared dead, left or restarted, and no node has taken it yet`,
};

/** What an error says of it, to people and to programs. */
export function describeNoOwner(
  { sinceMs, reason, nodeId }: NoOwner,
  nowMs: number,
): { text: string; details: Record<string, unknown> } {
  const unownedMs = Math.round(nowMs - sinceMs);
  const text = `no node has owned its shard for ${unownedMs} ms: ${TEXTS[reason](nodeId ?? 'of an earlier bucket')}`;
  return { text, details: { reason, nodeId, unownedMs } };
}

function isReason(value: unknown): value is NoOwnerReason {
  return typeof value === 'string' && Object.hasOwn(TEXTS, value);
}
