/** Which node a call to any node goes to. */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { KnownNode } from './nodes.ts';

/**
 * `round-robin`: each node in turn. `least-in-flight`: the one that has the fewest requests of this client.
 * `two-choices`: of two nodes at random, the one that answers sooner, by what it took lately and what it has to do.
 */
export type Balance = 'round-robin' | 'least-in-flight' | 'two-choices';

/** Picks one of at least one node. */
export type Picker = (nodes: readonly KnownNode[]) => KnownNode;

export function pickerOf(balance: Balance, clock: Clock, random: Random): Picker {
  let turn = 0;
  switch (balance) {
    case 'round-robin':
      return (nodes) => nodes[turn++ % nodes.length]!;
    case 'least-in-flight':
      // The search begins at another node each time, so that equal ones take turns.
      return (nodes) => {
        const start = turn++;
        let best = nodes[start % nodes.length]!;
        for (let i = 1; i < nodes.length; i++) {
          const node = nodes[(start + i) % nodes.length]!;
          if (node.inFlight < best.inFlight) best = node;
        }
        return best;
      };
    case 'two-choices':
      return (nodes) => {
        const first = indexIn(nodes.length, random);
        if (nodes.length === 1) return nodes[first]!;
        const second = (first + 1 + indexIn(nodes.length - 1, random)) % nodes.length;
        const [a, b] = [nodes[first]!, nodes[second]!];
        const nowMs = clock.monoMs();
        return costOf(a, nowMs) <= costOf(b, nowMs) ? a : b;
      };
  }
}

/** The weight of the newest latency in the average. */
const NEWEST = 0.2;
/** A latency counts half after this time without a newer one: a node that was slow once gets another chance. */
const HALF_LIFE_MS = 2_000;
/** So that the requests in flight count at a node that was never measured, or that is fast. */
const LEAST_MS = 0.05;

/** A request has ended at the node, with an answer or without. */
export function measured(node: KnownNode, latencyMs: number, nowMs: number): void {
  node.latencyMs = node.measuredMs === 0 ? latencyMs : node.latencyMs + NEWEST * (latencyMs - node.latencyMs);
  node.measuredMs = nowMs;
}

function costOf({ latencyMs, measuredMs, inFlight }: KnownNode, nowMs: number): number {
  const faded = latencyMs * 0.5 ** ((nowMs - measuredMs) / HALF_LIFE_MS);
  return Math.max(faded, LEAST_MS) * (inFlight + 1);
}

function indexIn(length: number, random: Random): number {
  const [high, low] = random.bytes(2);
  return (high! * 256 + low!) % length;
}
