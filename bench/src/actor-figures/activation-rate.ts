/** How many actors start per second: each call is the first one of its key. */
import { actorHandler } from '@clstr/actors';
import { createClient } from '@clstr/core';
import { memoryNode } from '../contenders/clstr-sides.ts';
import { oracle } from '../contenders/clstr-actors.ts';
import type { Figure } from '../figure.ts';
import { spreadOf } from '../statistics.ts';
import { askOracle, keyNumber, NUM_SHARDS } from './oracle-calls.ts';

const ACTORS = 20_000;
const SMALL_CACHE = 1_024;

export async function measureActivation(runs: number): Promise<Figure[]> {
  const roomy: Rates[] = [];
  const full: Rates[] = [];
  for (let run = -1; run < runs; run += 1) {
    const withRoom = await firstAndSecondCalls(ACTORS);
    const withoutRoom = await firstAndSecondCalls(SMALL_CACHE);
    // The first run warms up and does not count.
    if (run < 0) continue;
    roomy.push(withRoom);
    full.push(withoutRoom);
  }
  const figure = (what: string, rates: number[]): Figure => ({ what, unit: '/s', spread: spreadOf(rates) });
  return [
    figure(
      'activations, first calls of fresh keys',
      roomy.map(({ first }) => first),
    ),
    figure(
      'second calls of the same keys',
      roomy.map(({ second }) => second),
    ),
    figure(
      'activations, keys known, each evicts an actor',
      full.map(({ second }) => second),
    ),
  ];
}

interface Rates {
  first: number;
  second: number;
}

async function firstAndSecondCalls(cacheSize: number): Promise<Rates> {
  const node = await memoryNode(NUM_SHARDS, actorHandler([oracle], { cacheSize }));
  const client = createClient({ transport: node.transport, numShards: NUM_SHARDS });
  const first = await askOracle(client, ACTORS, keyNumber);
  const second = await askOracle(client, ACTORS, keyNumber);
  await client.close();
  await node.close();
  return { first, second };
}
