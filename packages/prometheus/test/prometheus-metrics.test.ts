import type { WatchedActors, WatchedNode, WatchedTransport } from '@clstr/core';
import { Registry } from 'prom-client';
import { describe, expect, onTestFinished, test } from 'vitest';
import { prometheusMetrics } from '../src/index.ts';
import type { PrometheusMetrics, PrometheusOptions } from '../src/index.ts';
import { seriesOf } from './reading.ts';

function create(options?: PrometheusOptions): Required<PrometheusMetrics> {
  const metrics = prometheusMetrics(options);
  onTestFinished(() => metrics.close());
  return metrics as Required<PrometheusMetrics>;
}

const read = async (metrics: PrometheusMetrics): Promise<Map<string, number>> =>
  seriesOf(await metrics.text());

function node(fields: Partial<WatchedNode> = {}): WatchedNode {
  return {
    id: 'n1',
    state: 'serving',
    inFlight: 0,
    wanted: 0,
    unowned: 0,
    shards: () => [],
    leaseMarginMs: undefined,
    storeTrouble: undefined,
    isShedding: false,
    ...fields,
  };
}

function actors(fields: Partial<WatchedActors> = {}): WatchedActors {
  return {
    types: [],
    active: () => new Map(),
    mailboxDepth: 0,
    tasksInFlight: 0,
    isClosed: false,
    ...fields,
  };
}

function transport(fields: Partial<WatchedTransport> = {}): WatchedTransport {
  return {
    name: 'memory',
    state: 'connected',
    lostReplies: 0,
    batches: 0,
    entries: 0,
    batchSizes: [],
    ...fields,
  };
}

describe('durations', () => {
  test('fall into buckets from a quarter of a millisecond to ten seconds, each counted in all that are larger', async () => {
    const metrics = create();
    for (const durationMs of [0, 0.25, 0.26, 1, 9_999, 60_000]) metrics.requestEnded('Get', true, durationMs);
    const series = await read(metrics);
    const bucket = (le: string): number | undefined =>
      series.get(`clstr_cluster_request_duration_seconds_bucket{le="${le}",message_type="Get"}`);
    expect(['0.00025', '0.0005', '0.001', '5', '10', '+Inf'].map(bucket)).toEqual([2, 3, 4, 4, 5, 6]);
    const of = (part: string): number | undefined =>
      series.get(`clstr_cluster_request_duration_seconds_${part}{message_type="Get"}`);
    expect(of('count')).toBe(6);
    expect(of('sum')).toBeCloseTo(70.00051, 9);
  });

  test('of a handler are those from acceptance to end; of a turn those without the wait, which is apart', async () => {
    const metrics = create();
    metrics.watchActors(actors({ types: ['cart.add'] }));
    metrics.handlerEnded('cart.add', true, 30, 100);
    metrics.handlerEnded('cart.add', false, 10, 0);
    // It was refused while it waited: no turn.
    metrics.handlerEnded('cart.add', false, undefined, 1_000);
    metrics.handlerEnded('raw', true, 5, 0);
    const series = await read(metrics);
    const of = (name: string, type = 'cart.add'): number[] =>
      ['count', 'sum'].map((part) => series.get(`clstr_${name}_seconds_${part}{message_type="${type}"}`)!);
    expect(of('cluster_handler_duration')).toEqual([3, 1.14]);
    expect(of('actor_message_duration')).toEqual([2, 0.04]);
    expect(of('actor_mailbox_wait')).toEqual([3, 1.1]);
    expect(of('cluster_handler_duration', 'raw')).toEqual([1, 0.005]);
    expect(of('actor_message_duration', 'raw')).toEqual([undefined, undefined]);
    const total = (name: string, success: boolean): number =>
      series.get(`clstr_${name}_total{message_type="cart.add",success="${success}"}`)!;
    expect([total('cluster_handlers', true), total('cluster_handlers', false)]).toEqual([1, 2]);
    expect([total('actor_messages', true), total('actor_messages', false)]).toEqual([1, 1]);
  });
});

describe('counters', () => {
  test('count by type and success, by error and by event', async () => {
    const metrics = create();
    metrics.requestEnded('Get', true, 1);
    metrics.requestEnded('Get', false, 1);
    metrics.notifyEnded('Poke', true);
    metrics.transportError('timeout');
    metrics.callRepeated('NOT_OWNER');
    metrics.retryDenied('budget');
    metrics.breakerChanged('open');
    metrics.messageRefused('OVERLOADED');
    metrics.messageShed('age', false);
    metrics.messageShed('bound', true);
    metrics.keyedRepeat('replayed');
    metrics.panicked('cart.add');
    metrics.taskEnded(true, 3);
    metrics.taskEnded(false, 3);
    for (const event of ['acquired', 'acquired', 'lost', 'lapsed', 'fenced'] as const) {
      metrics.nodeEvent('n1', event);
    }
    const series = await read(metrics);
    expect(
      Object.fromEntries([...series].filter(([name, value]) => name.includes('_total') && value > 0)),
    ).toEqual({
      'clstr_cluster_requests_total{message_type="Get",success="true"}': 1,
      'clstr_cluster_requests_total{message_type="Get",success="false"}': 1,
      'clstr_cluster_notifies_total{message_type="Poke",success="true"}': 1,
      'clstr_cluster_transport_errors_total{error_type="timeout"}': 1,
      'clstr_cluster_repeats_total{reason="not_owner"}': 1,
      'clstr_cluster_retries_denied_total{reason="budget"}': 1,
      'clstr_cluster_breaker_changes_total{state="open"}': 1,
      'clstr_cluster_refusals_total{reason="overloaded"}': 1,
      'clstr_cluster_shed_total{reason="age",class="normal"}': 1,
      'clstr_cluster_shed_total{reason="bound",class="critical"}': 1,
      'clstr_cluster_keyed_repeats_total{answer="replayed"}': 1,
      'clstr_actor_panics_total{message_type="cart.add"}': 1,
      'clstr_actor_scheduler_tasks_total{success="true"}': 1,
      'clstr_actor_scheduler_tasks_total{success="false"}': 1,
      'clstr_cluster_shard_moves_total{kind="acquired"}': 2,
      'clstr_cluster_shard_moves_total{kind="lost"}': 1,
      'clstr_cluster_node_events_total{event="lapsed"}': 1,
      'clstr_cluster_node_events_total{event="fenced"}': 1,
    });
    expect(series.get('clstr_cluster_transport_errors_total{error_type="closed"}')).toBe(0);
  });

  test('put lists of calls into buckets of powers of two, by the method that made them', async () => {
    const metrics = create();
    for (const calls of [1, 3, 1_024, 5_000]) metrics.listMade('requestMany', calls);
    metrics.listMade('gather', 2);
    const series = await read(metrics);
    const of = (part: string): number => series.get(`clstr_cluster_list_calls_${part}`)!;
    const buckets = ['1', '2', '4', '512', '1024', '+Inf'];
    expect(buckets.map((le) => of(`bucket{le="${le}",method="requestMany"}`))).toEqual([1, 1, 2, 2, 3, 4]);
    expect(of('sum{method="requestMany"}')).toBe(6_028);
    expect(['requestMany', 'gather', 'broadcast'].map((m) => of(`count{method="${m}"}`))).toEqual([4, 1, 0]);
  });

  test('of a declared type are there before its first message', async () => {
    const metrics = create();
    metrics.watchActors(actors({ types: ['cart.add'] }));
    const series = await read(metrics);
    expect(series.get('clstr_actor_messages_total{message_type="cart.add",success="false"}')).toBe(0);
    expect(series.get('clstr_cluster_handlers_total{message_type="cart.add",success="false"}')).toBe(0);
    for (const type of ['cart.add', 'other']) {
      expect(series.get(`clstr_actor_panics_total{message_type="${type}"}`)).toBe(0);
    }
  });
});

describe('gauges', () => {
  test('of a node are read when they are asked for, and end with it; another with its id takes its place', async () => {
    const metrics = create();
    const first = {
      ...node({ shards: () => [1, 2], wanted: 3, unowned: 4, leaseMarginMs: 1_500 }),
      inFlight: 7,
    };
    metrics.watchNode(first);
    const of = async (name: string): Promise<number | undefined> =>
      (await read(metrics)).get(`clstr_cluster_${name}{node_id="n1"}`);
    const all = [
      'handlers_active',
      'shards_owned',
      'shards_wanted',
      'shards_unowned',
      'lease_margin_seconds',
    ];
    expect(await Promise.all(all.map(of))).toEqual([7, 2, 3, 4, 1.5]);
    expect([await of('node_serving'), await of('node_shedding')]).toEqual([1, 0]);
    Object.assign(first, {
      inFlight: 2,
      state: 'lapsed',
      leaseMarginMs: 0,
      storeTrouble: 'it is silent',
      isShedding: true,
    });
    expect([await of('handlers_active'), await of('node_serving')]).toEqual([2, 0]);
    expect([await of('lease_margin_seconds'), await of('store_trouble')]).toEqual([0, 1]);
    expect(await of('node_shedding')).toBe(1);
    Object.assign(first, { state: 'closed' });
    expect(await of('handlers_active')).toBeUndefined();
    metrics.watchNode(node({ inFlight: 9 }));
    expect([await of('handlers_active'), await of('lease_margin_seconds')]).toEqual([9, undefined]);
  });

  test('of nodes of several services that share an id are one: sums, and the worst of states and leases', async () => {
    const metrics = create();
    metrics.watchNode(node({ inFlight: 1, shards: () => [1], leaseMarginMs: 4_000 }));
    metrics.watchNode(node({ inFlight: 2, shards: () => [1, 2], leaseMarginMs: 2_000, state: 'lapsed' }));
    metrics.watchNode(node({ state: 'created', shards: () => [3] }));
    const series = await read(metrics);
    const of = (name: string): number | undefined => series.get(`clstr_cluster_${name}{node_id="n1"}`);
    expect([
      of('handlers_active'),
      of('shards_owned'),
      of('lease_margin_seconds'),
      of('node_serving'),
    ]).toEqual([3, 3, 2, 0]);
  });

  test('of actors are those of all handlers that are open', async () => {
    const metrics = create();
    const left = { ...actors({ active: () => new Map([['cart', 3]]), mailboxDepth: 4, tasksInFlight: 1 }) };
    metrics.watchActors(left);
    metrics.watchActors(
      actors({
        active: () =>
          new Map([
            ['cart', 1],
            ['stock', 2],
          ]),
        mailboxDepth: 5,
      }),
    );
    const of = async (): Promise<(number | undefined)[]> => {
      const series = await read(metrics);
      return ['active', 'mailbox_depth', 'scheduler_inflight', 'activations{actor="cart"}'].map((name) =>
        series.get(`clstr_actor_${name}`),
      );
    };
    expect(await of()).toEqual([6, 9, 1, 4]);
    Object.assign(left, { isClosed: true });
    expect(await of()).toEqual([3, 5, 0, 1]);
  });
});

describe('transports', () => {
  test('are counted together, once each, and closed ones stay part of the totals', async () => {
    const metrics = create();
    const one = { ...transport({ lostReplies: 2, entries: 5, batchSizes: [1, 0, 1] }) };
    const two = { ...transport({ state: 'disconnected', lostReplies: 1, entries: 1, batchSizes: [1] }) };
    for (const each of [one, two, one]) metrics.watchTransport(each);
    const of = async (...names: string[]): Promise<(number | undefined)[]> => {
      const series = await read(metrics);
      return names.map((name) => series.get(`clstr_transport_${name}`));
    };
    const states = ['connections{state="connected"}', 'connections{state="disconnected"}'];
    const totals = ['lost_replies_total', 'batch_entries_count', 'batch_entries_sum'];
    const buckets = ['1', '2', '4', '1024', '+Inf'].map((le) => `batch_entries_bucket{le="${le}"}`);
    expect(await of(...states, ...totals)).toEqual([1, 1, 3, 3, 6]);
    expect(await of(...buckets)).toEqual([2, 2, 3, 3, 3]);
    Object.assign(one, { lostReplies: 3, state: 'closed' });
    // It is found to be closed when the next one comes, so that none is kept for a reading that never happens.
    const three = transport({ lostReplies: 10 });
    metrics.watchTransport(three);
    Object.assign(one, { lostReplies: 1_000 });
    expect(await of(...states, ...totals)).toEqual([1, 1, 14, 3, 6]);
  });

  test('may send batches of more sizes than there are buckets', async () => {
    const metrics = create();
    metrics.watchTransport(
      transport({ entries: 9_000, batchSizes: [...new Array<number>(12).fill(1), 2, 3] }),
    );
    const series = await read(metrics);
    expect(series.get('clstr_transport_batch_entries_bucket{le="1024"}')).toBe(11);
    expect(series.get('clstr_transport_batch_entries_bucket{le="+Inf"}')).toBe(17);
  });
});

describe('labels', () => {
  test('keep what a hostile type contains within its quotes', async () => {
    const metrics = create();
    metrics.requestEnded('a"} 1\nevil{x="\\', true, 1);
    const text = await metrics.text();
    expect(text).toContain('{message_type="a\\"} 1\\nevil{x=\\"\\\\",success="true"} 1\n');
    expect(text.split('\n').filter((line) => line.startsWith('evil'))).toEqual([]);
  });

  test('have a bound of their own, whatever is reported', async () => {
    const metrics = create();
    for (let i = 0; i < 100_000; i++) {
      metrics.notifyEnded(`made-up-${i}`, true);
      metrics.messageRefused(`CODE_${i}` as 'TIMEOUT');
    }
    const series = await read(metrics);
    const counted = [...series].filter(([name]) => name.startsWith('clstr_cluster_notifies_total'));
    expect(counted).toHaveLength(2 * 1_025);
    expect(counted.reduce((sum, [, value]) => sum + value, 0)).toBe(100_000);
    expect(series.get('clstr_cluster_refusals_total{reason="other"}')).toBe(100_000);
    expect([...series].filter(([name]) => name.includes('refusals'))).toHaveLength(7);
  });
});

describe('the registry', () => {
  test('may be one that exists, whose own metrics and labels stay', async () => {
    const registry = new Registry();
    registry.setDefaultLabels({ app: 'shop' });
    const metrics = create({ registry });
    expect([metrics.registry, metrics.contentType]).toEqual([registry, registry.contentType]);
    metrics.transportError('timeout');
    expect(
      (await read(metrics)).get('clstr_cluster_transport_errors_total{error_type="timeout",app="shop"}'),
    ).toBe(1);
    registry.resetMetrics();
    expect(
      (await read(metrics)).get('clstr_cluster_transport_errors_total{error_type="timeout",app="shop"}'),
    ).toBe(1);
  });

  test('has the metrics once: a second time they are refused, and after close they may come again', async () => {
    const registry = new Registry();
    const metrics = create({ registry });
    expect(() => prometheusMetrics({ registry })).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('make these metrics once'),
      }),
    );
    await metrics.close();
    expect(await registry.getMetricsAsJSON()).toEqual([]);
    const again = create({ registry });
    await metrics.close();
    expect(await read(again)).not.toHaveLength(0);
  });

  test('may be one of OpenMetrics, which names counters otherwise', async () => {
    const registry = new Registry();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as typeof registry.contentType);
    const metrics = create({ registry });
    metrics.transportError('timeout');
    const text = await metrics.text();
    expect(text).toContain('# TYPE clstr_cluster_transport_errors counter\n');
    expect(text).toContain('clstr_cluster_transport_errors_total{error_type="timeout"} 1\n');
    expect(text.endsWith('# EOF\n')).toBe(true);
  });

  test.each([[{ registry: {} }], [{ registry: null }], [{ register: new Registry() }], [null]])(
    'is refused as %o',
    (options) => {
      expect(() => prometheusMetrics(options as PrometheusOptions)).toThrow(
        expect.objectContaining({
          code: 'INVALID_OPTION',
          message: expect.stringMatching(/^prometheusMetrics: /),
        }),
      );
    },
  );
});

test('clients are read until they are closed: the least retries that are left, and all open breakers', async () => {
  const metrics = create();
  const client = { service: 'default', retriesLeft: 70, openBreakers: 1, isClosed: false };
  const other = { ...client, retriesLeft: 100, openBreakers: 2 };
  const plain = { ...client, retriesLeft: undefined, openBreakers: undefined };
  for (const one of [client, other, plain]) metrics.watchClient(one);
  const values = async () => {
    const series = await read(metrics);
    return ['retries_left', 'breakers_open'].map((name) => series.get(`clstr_cluster_${name}`));
  };
  expect(await values()).toEqual([70, 3]);
  client.isClosed = true;
  expect(await values()).toEqual([100, 2]);
  other.isClosed = true;
  expect(await values()).toEqual([undefined, undefined]);
});
