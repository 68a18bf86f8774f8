/** A node of the demo: it serves its shards, and counts the increments it runs. */
import type { Handler, Node, Transport } from '@clstr/core';
import { createNode } from '@clstr/core';
import type { Member } from './cluster.ts';
import { NUM_SHARDS } from './cluster.ts';

export interface CountingNode {
  readonly node: Node;
  increments(): number;
}

export function createCountingNode(member: Member, transport: Transport, handler: Handler): CountingNode {
  let increments = 0;
  const node = createNode({
    ...member,
    transport,
    numShards: NUM_SHARDS,
    handler,
    interceptors: [
      (request, _context, next) => {
        if (request.type === 'counter.increment') increments++;
        return next(request);
      },
    ],
  });
  return { node, increments: () => increments };
}
