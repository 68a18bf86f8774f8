/** One object for a whole process: apps come and go, the totals stay, and the gauges are those of the living. */
import { defineActor, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import type { App } from '@clstr/app';
import { memoryTransport } from '@clstr/transport-memory';
import { expect, test } from 'vitest';
import { prometheusMetrics } from '../src/index.ts';
import { seriesOf } from './reading.ts';

const Cell = defineActor('cell', { read: request<void, number>() });
const cell = Cell.implement({ setup: () => 1, handlers: { read: (state) => state } });

test('an app that is closed and created again goes on counting, and leaves no gauge behind', async () => {
  await using metrics = prometheusMetrics();
  const start = (): Promise<App> =>
    createApp({
      transport: () => memoryTransport(),
      actors: [cell],
      nodeId: 'n1',
      numShards: 8,
      metrics,
      logger: false,
    });
  const read = async () => {
    const series = seriesOf(await metrics.text());
    return {
      requests: series.get('clstr_cluster_requests_total{message_type="cell.read",success="true"}'),
      turns: series.get('clstr_actor_messages_total{message_type="cell.read",success="true"}'),
      entries: series.get('clstr_transport_batch_entries_sum'),
      owned: series.get('clstr_cluster_shards_owned{node_id="n1"}'),
      active: series.get('clstr_actor_active'),
      connected: series.get('clstr_transport_connections{state="connected"}'),
    };
  };
  const seen: Awaited<ReturnType<typeof read>>[] = [];
  for (let run = 0; run < 2; run++) {
    const app = await start();
    await Promise.all(['a', 'b', 'c'].map((key) => app.ref(Cell, key).read()));
    seen.push(await read());
    await app.close();
    seen.push(await read());
  }
  const [running, closed, again, ended] = seen as [(typeof seen)[0], ...typeof seen];
  expect(running).toMatchObject({ requests: 3, turns: 3, owned: 8, active: 3, connected: 1 });
  expect(closed).toEqual({
    ...running,
    entries: expect.any(Number),
    owned: undefined,
    active: 0,
    connected: 0,
  });
  expect(closed!.entries).toBeGreaterThanOrEqual(6);
  expect(again).toMatchObject({ requests: 6, turns: 6, owned: 8, active: 3, connected: 1 });
  expect(ended!.entries).toBeGreaterThanOrEqual(closed!.entries! + 6);
  expect(ended).toMatchObject({ owned: undefined, active: 0, connected: 0 });
});
