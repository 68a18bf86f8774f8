/** How far a node is, as its owner, its metrics and a health check see it. */

/**
 * `serving`: the node admits messages for its shards, and they reach it. `lapsed`: its lease is over, and it admits
 * nothing until a heartbeat is acknowledged. `unreachable`: messages for all or some of its shards do not reach it; with
 * a membership it gives its shards to others, if there are any. `fenced`: the others declared this node dead, or its
 * cluster was lost; it is joining again.
 */
export type NodeState =
  'created' | 'starting' | 'serving' | 'lapsed' | 'unreachable' | 'fenced' | 'draining' | 'closed';
