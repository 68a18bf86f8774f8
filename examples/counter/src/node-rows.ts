/** The table rows of a cluster's nodes: whether they run, what they own, how many calls they answer. */
import { nowMs } from '@clstr-kit/chaos';
import type { ChaosCluster, EndedCall } from '@clstr-kit/chaos';
import type { NodeRow } from './chaos-table.ts';

/** How many calls are searched for the replies of the last second. */
const RECENT_CALLS = 1_000;

export function nodeRows({ nodes, ownerLog, recorder }: ChaosCluster, ids: readonly string[]): NodeRow[] {
  const sinceMs = nowMs() - 1_000;
  const recent = recorder.calls.slice(-RECENT_CALLS).filter(({ endedAt }) => endedAt > sinceMs);
  return ids.map((id) => {
    const node = nodes.get(id);
    const isOwner = ({ shard }: EndedCall): boolean => ownerLog.ownerOf(shard)?.id === id;
    const replies = recent.filter((call) => call.code === undefined && isOwner(call));
    const state = node === undefined ? 'gone' : stateOf(node.processState());
    return {
      id,
      pid: node?.pid,
      state,
      shards: ownerLog.shardsOf(id).length,
      repliesPerSecond: replies.length,
    };
  });
}

function stateOf(letter: string): string {
  return letter === 'T' ? 'stopped' : 'runs';
}
