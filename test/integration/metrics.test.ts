/** The metrics of two apps on a real nats-server, compared with what was sent. */
import { defineActor, notify, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import type { App } from '@clstr/app';
import { ActorError } from '@clstr/core';
import { prometheusMetrics } from '@clstr/prometheus';
import type { PrometheusMetrics } from '@clstr/prometheus';
import { deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { natsTransport } from '@clstr/transport-nats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const NODES = ['left', 'right'];
const KEYS = Array.from({ length: 40 }, (_, i) => `key-${i}`);

const Cart = defineActor('cart', {
  add: request<number, number>(),
  refuse: request<void, void>(),
  crash: request<void, void>(),
  hold: request<void, void>(),
  seen: notify<void>(),
});

describe.skipIf(!hasNatsServer())('the metrics of two apps over NATS', () => {
  let server: NatsServer;
  let gate = deferred();
  /** Resolves at the last of the notifies that a test sends. */
  let allSeen = deferred();
  let toSee = 0;
  const apps: App[] = [];
  const metrics: PrometheusMetrics[] = [];

  const start = async (nodeId: string): Promise<App> => {
    const own = prometheusMetrics();
    metrics.push(own);
    const cart = Cart.implement({
      setup: () => ({ sum: 0 }),
      handlers: {
        add: (state, by) => (state.sum += by),
        refuse: (_state, _input) => {
          throw new ActorError('SOLD_OUT', 'no');
        },
        crash: () => {
          throw new Error('a bug');
        },
        hold: () => gate.promise,
        seen: () => {
          if (--toSee === 0) allSeen.resolve();
        },
      },
    });
    const app = await createApp({
      transport: () => natsTransport({ servers: server.url }),
      actors: [cart],
      nodeId,
      nodeIds: NODES,
      numShards: 16,
      signals: [],
      logger: false,
      metrics: [own, { requestEnded: () => failing() }],
    });
    apps.push(app);
    return app;
  };

  /** A second one of the metrics throws at each request. */
  let thrown = 0;
  const failing = (): void => {
    thrown++;
    throw new Error('the other metrics are broken');
  };

  beforeEach(async () => {
    gate = deferred();
    allSeen = deferred();
    server = await startNatsServer();
    for (const id of NODES) await start(id);
  });
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.close()));
    await Promise.all(metrics.splice(0).map((own) => own.close()));
    await server.stop();
  });

  /** The series of each app. */
  const read = async (): Promise<ReadonlyMap<string, number>[]> =>
    (await Promise.all(apps.map((app) => app.metrics()))).map((text) => {
      const lines = text.split('\n').filter((line) => line.startsWith('clstr_'));
      return new Map(
        lines.map((line) => {
          const space = line.lastIndexOf(' ');
          return [line.slice(0, space), Number(line.slice(space + 1))];
        }),
      );
    });
  const sum = (all: readonly ReadonlyMap<string, number>[], name: string): number =>
    all.reduce((total, series) => total + (series.get(name) ?? 0), 0);

  test('count what was sent, at the client that sent it and at the nodes that ran it', async () => {
    const [left] = apps as [App];
    const ref = (key: string) => left.ref(Cart, key);
    toSee = 5 * KEYS.length;
    const sent: Promise<unknown>[] = [];
    for (const key of KEYS) {
      for (let i = 0; i < 25; i++) sent.push(ref(key).add(1));
      for (let i = 0; i < 5; i++) sent.push(ref(key).seen());
      for (const failing of [ref(key).refuse(), ref(key).crash()]) sent.push(failing.catch(() => undefined));
      sent.push(left.client.requestKey(key, 'cart.made-up').catch(() => undefined));
    }
    await Promise.all([...sent, allSeen.promise]);
    const all = await read();
    const [atLeft, atRight] = all as [ReadonlyMap<string, number>, ReadonlyMap<string, number>];
    const totals = (name: string, type: string): number[] =>
      ['true', 'false'].map((success) =>
        sum(all, `clstr_${name}_total{message_type="${type}",success="${success}"}`),
      );
    const count = (name: string, type: string): number =>
      sum(all, `clstr_${name}_duration_seconds_count{message_type="${type}"}`);

    expect(totals('cluster_requests', 'cart.add')).toEqual([1_000, 0]);
    expect(totals('cluster_requests', 'cart.refuse')).toEqual([0, 40]);
    expect(totals('cluster_requests', 'cart.crash')).toEqual([0, 40]);
    expect(totals('cluster_requests', 'other')).toEqual([0, 40]);
    expect(sum([atRight], 'clstr_cluster_requests_total{message_type="cart.add",success="true"}')).toBe(0);
    expect(totals('cluster_notifies', 'other')).toEqual([200, 0]);
    expect(count('cluster_request', 'cart.add')).toBe(1_000);
    for (const layer of ['cluster_handlers', 'actor_messages']) {
      expect([layer, totals(layer, 'cart.add')]).toEqual([layer, [1_000, 0]]);
      expect([layer, totals(layer, 'cart.seen')]).toEqual([layer, [200, 0]]);
      expect([layer, totals(layer, 'cart.crash')]).toEqual([layer, [0, 40]]);
    }
    expect(count('cluster_handler', 'cart.add')).toBe(1_000);
    expect(count('actor_message', 'cart.add')).toBe(1_000);
    expect(sum(all, 'clstr_actor_panics_total{message_type="cart.crash"}')).toBe(40);
    expect(sum(all, 'clstr_actor_panics_total{message_type="cart.refuse"}')).toBe(0);
    expect(sum(all, 'clstr_cluster_refusals_total{reason="unknown_type"}')).toBe(40);
    expect(sum(all, 'clstr_actor_active')).toBe(KEYS.length);
    expect(sum(all, 'clstr_actor_scheduler_tasks_total{success="true"}')).toBe(KEYS.length);
    // Both nodes have some keys, and each has its own shards.
    for (const [series, id] of [
      [atLeft, 'left'],
      [atRight, 'right'],
    ] as const) {
      expect(series.get('clstr_actor_active')).toBeGreaterThan(0);
      expect(series.get(`clstr_cluster_shards_owned{node_id="${id}"}`)).toBe(
        apps.find(({ node }) => node.id === id)!.node.shards().length,
      );
    }
    // Requests, notifies and replies left in batches; a few questions of the framework are among them.
    const entries = sum(all, 'clstr_transport_batch_entries_sum');
    const [messages, replies] = [1_000 + 3 * 40 + 200, 1_000 + 3 * 40];
    expect(entries).toBeGreaterThanOrEqual(messages + replies);
    expect(entries).toBeLessThan(1.2 * (messages + replies));
    expect(sum(all, 'clstr_transport_batch_entries_count')).toBeLessThan(entries / 2);
    expect(sum(all, 'clstr_transport_connections{state="connected"}')).toBe(2);
    expect(thrown).toBe(1_000 + 3 * 40);
  });

  test('show what runs and waits now, and a connection that is lost', async () => {
    const [left] = apps as [App];
    const held = ['hold', 'hold', 'add', 'add'].map((method) =>
      method === 'hold' ? left.ref(Cart, 'one').hold() : left.ref(Cart, 'one').add(1),
    );
    const owns = ({ node }: App, key: string): boolean => node.owns(left.client.shardOf(key));
    const owner = apps.find((app) => owns(app, 'one'))!;
    // The answer to a later call on the same way shows that the held ones have arrived.
    const neighbour = KEYS.find((key) => owns(owner, key))!;
    await left.ref(Cart, neighbour).add(1);
    const all = await read();
    expect(sum(all, `clstr_cluster_handlers_active{node_id="${owner.node.id}"}`)).toBe(4);
    expect(sum(all, 'clstr_actor_mailbox_depth')).toBe(3);
    gate.resolve();
    await Promise.all(held);
    const lost = deferred();
    left.transport.onConnection(({ state }) => {
      if (state === 'disconnected') lost.resolve();
    });
    await server.stop();
    await lost.promise;
    const [series] = await read();
    expect(series!.get('clstr_transport_connections{state="disconnected"}')).toBe(1);
    expect(series!.get('clstr_transport_connections{state="connected"}')).toBe(0);
  });
});
