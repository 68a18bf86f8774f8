/** What a node does with messages on the subjects that it shares with other nodes. */
import { PROBE_TYPE, TOPOLOGY_TYPE } from '../wire/envelope.ts';
import { NO_SHARD } from '../wire/transport.ts';
import type { EntryReceiver } from '../wire/transport.ts';
import type { Shards } from '../cluster/shards.ts';

/** What runs the messages. */
interface Dispatching extends EntryReceiver {
  readonly options: { readonly shards: Shards };
}

/** On the shards' subjects a node that has lost a shard, or may have, is silent, because its owner answers too. */
export function onShardSubjects(dispatch: Dispatching): EntryReceiver {
  return {
    onEntry: (entry, port) => {
      if (entry.type === TOPOLOGY_TYPE || entry.shard === NO_SHARD) return;
      // A probe asks about the subject alone: a node that has yet to assert the shard is reached all the same.
      const { shards } = dispatch.options;
      const mayAnswer = shards.holds(entry.shard, undefined) || entry.type === PROBE_TYPE;
      if (mayAnswer) dispatch.onEntry(entry, port);
    },
    onCancel: (clientId, attempt) => {
      dispatch.onCancel(clientId, attempt);
    },
  };
}

/** On the nodes' common subject a node answers questions for the owners, and nothing else. */
export function onCommonSubject(dispatch: Dispatching): EntryReceiver {
  return {
    onEntry: (entry, port) => {
      if (entry.type === TOPOLOGY_TYPE) dispatch.onEntry(entry, port);
    },
    onCancel: () => {
      /* every answer there is immediate */
    },
  };
}
