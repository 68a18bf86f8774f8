/** One key that gets every call, against as many calls over 10,000 keys; handlers are async, so calls queue. */
import { actorHandler } from '@clstr/actors';
import { createClient } from '@clstr/core';
import { Oracle } from '../contenders/clstr-actors.ts';
import { memoryNode } from '../contenders/clstr-sides.ts';
import type { Figure } from '../figure.ts';
import { answer } from '../payload.ts';
import { spreadOf } from '../statistics.ts';
import { askOracle, keyNumber, NUM_SHARDS } from './oracle-calls.ts';

const KEYS = 10_000;
const CALLS = 20_000;

const slowOracle = Oracle.implement({
  setup: () => ({ asked: 0 }),
  handlers: {
    ask: async (state, question) => {
      state.asked += 1;
      await Promise.resolve();
      return answer(question);
    },
  },
});

export async function measureHotKey(runs: number): Promise<Figure[]> {
  const node = await memoryNode(NUM_SHARDS, actorHandler([slowOracle], { cacheSize: 2 * KEYS }));
  const client = createClient({ transport: node.transport, numShards: NUM_SHARDS });
  const keys = Array.from({ length: KEYS }, (_, n) => keyNumber(n));

  const hot: number[] = [];
  const spread: number[] = [];
  for (let run = -1; run < runs; run += 1) {
    const onOne = await askOracle(client, CALLS, () => keys[0]!);
    const onAll = await askOracle(client, CALLS, (n) => keys[n % KEYS]!);
    // The first run warms up and does not count.
    if (run < 0) continue;
    hot.push(onOne);
    spread.push(onAll);
  }
  await client.close();
  await node.close();
  return [
    { what: 'calls of one hot key, async handler', unit: '/s', spread: spreadOf(hot) },
    { what: 'the same over 10,000 keys', unit: '/s', spread: spreadOf(spread) },
    { what: 'hot key ÷ 10,000 keys', unit: '×', spread: spreadOf(hot.map((rate, i) => rate / spread[i]!)) },
  ];
}
