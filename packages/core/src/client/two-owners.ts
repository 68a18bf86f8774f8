/** Warns of a shard that two nodes serve, which a static cluster cannot prevent. */
import type { FloodLog } from '../base/flood-log.ts';
import type { ClientLink } from '../wire/transport.ts';

export function warnOfTwoOwners(link: ClientLink, floodLog: FloodLog): void {
  link.onDuplicateReply = (shard, from) => {
    floodLog.warn(
      'client.answered_twice',
      { shard, nodeId: from?.nodeId },
      `shard ${shard} was answered twice: more than one node serves it; give each shard to one node only`,
    );
  };
}
