/** docs/nats-server.conf on a real nats-server: each user does its job, and nothing else. */
import { actorHandler, defineActor, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import { createClient, createNode } from '@clstr/core';
import { nodeAddress } from '@clstr/core/wire';
import { CONFIG_KEY } from '@clstr/core/store';
import type { Node } from '@clstr/core';
import { deferred } from '@clstr/testing';
import type { LogRecord } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import type { RecordedLogger } from '@clstr/testing/internal';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { natsMembership, natsTransport, provisionCluster } from '@clstr/transport-nats';
import { connect, headers } from 'nats';
import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { USERS, passwordOf } from '../docs/nats-server-config.ts';
import { readText } from '../docs/repository.ts';

const NUM_SHARDS = 16;
const Counter = defineActor('counter', {
  add: request<{ by: number }, number>(),
  addElsewhere: request<{ key: string }, number>(),
});
const counter = Counter.implement({
  setup: () => ({ value: 0 }),
  handlers: {
    add: (state, { by }) => (state.value += by),
    addElsewhere: (_state, { key }, ctx) => ctx.ref(Counter, key).add({ by: 1 }),
  },
});

/** Users whose permissions are from before nodes announced new owners. */
const OLD_USERS = `
  { user: old-client, password: of-old-client, permissions: {
    publish: ["clstr.shard.*", "clstr.node.*.*", "clstr.topology"], subscribe: ["_INBOX.old.>"] } }
  { user: old-node, password: of-old-node, permissions: {
    publish: ["_INBOX.>"], subscribe: ["clstr.shard.*", "clstr.node.*.*", "clstr.topology nodes"] } }`;

/** Another account on the same server, whose user may do anything in it. */
const ELSEWHERE = 'ORDERS { jetstream: enabled, users: [{ user: orders, password: of-orders }] }';

type Try = readonly ['publish' | 'subscribe', subject: string, queue?: string];

describe.skipIf(!hasNatsServer())('over a nats-server with docs/nats-server.conf', () => {
  let server: NatsServer;
  const raw = new Map<string, NatsConnection>();

  beforeAll(async () => {
    const text = readText('docs/nats-server.conf');
    // The variables, elsewhere from the environment; where to store, the launcher says.
    const passwords = Object.keys(USERS).map((user) => `${passwordOf(user)}: "of-${user}"`);
    const withOld = text
      .replace('users: [', `users: [\n${OLD_USERS}`)
      .replace('accounts {', `accounts {\n${ELSEWHERE}`);
    const config = [...passwords, withOld.replace(/^.*store_dir.*$/m, '')].join('\n');
    server = await startNatsServer({ config });
    for (const user of Object.keys(USERS)) {
      raw.set(user, await connect({ ...login(user), inboxPrefix: USERS[user]!.inboxPrefix }));
    }
    const { servers, user, pass } = login('provisioner');
    const inboxPrefix = USERS['provisioner']!.inboxPrefix;
    const cluster = { servers, user, pass, inboxPrefix, numShards: NUM_SHARDS, isNew: true };
    await provisionCluster(cluster);
    await provisionCluster(cluster);
  });
  afterAll(async () => {
    for (const connection of raw.values()) await connection.close();
    await server.stop();
  });

  const login = (user: string) => ({ servers: server.url, user, pass: `of-${user}` });
  const transportOf = (user: string) =>
    natsTransport({ ...login(user), inboxPrefixes: [USERS[user]!.inboxPrefix, '_INBOX'] });
  const membershipOf = (user: string) =>
    natsMembership({ ...login(user), inboxPrefix: USERS[user]!.inboxPrefix, timing: 'fast' });

  test('three nodes serve a client, one leaves, and an app joins whose actors call others', async () => {
    const logger = recordLog();
    await using transport = await transportOf('node');
    const startNode = async (id: string): Promise<Node> => {
      const node = createNode({
        id,
        transport,
        logger,
        numShards: NUM_SHARDS,
        membership: membershipOf('node'),
        handler: actorHandler([counter]),
      });
      await node.start();
      return node;
    };
    const nodes = await Promise.all(['a', 'b', 'c'].map(startNode));
    await using clientTransport = await transportOf('web');
    await using client = createClient({
      transport: clientTransport,
      logger,
      numShards: NUM_SHARDS,
      routing: 'topology',
      timeoutMs: 10_000,
    });
    const keys = Array.from({ length: 40 }, (_, i) => `key-${i}`);
    const addAll = () => Promise.all(keys.map((key) => Counter.ref(client, key).add({ by: 1 })));
    expect(await addAll()).toEqual(keys.map(() => 1));
    await nodes[0]!.drain();
    expect((await addAll()).every((value) => value >= 1)).toBe(true);
    const app = await createApp({
      transport: () => transportOf('app'),
      membership: membershipOf('app'),
      nodeId: 'd',
      actors: [counter],
      numShards: NUM_SHARDS,
      signals: [],
      logger,
    });
    const arrived = new Promise<void>((resolve) => {
      app.node.onEvent(({ type }) => {
        if (type === 'acquired') resolve();
      });
    });
    if (app.node.shards().length === 0) await arrived;
    await Promise.all(nodes.slice(1).map((node) => node.drain()));
    const elsewhere = keys.map((key) => Counter.ref(client, key).addElsewhere({ key: `${key}-other` }));
    expect(await Promise.all(elsewhere)).toEqual(keys.map(() => 1));
    await app.close();
    expect(problemsOf(logger)).toEqual([]);
  }, 60_000);

  test('a user that serves or joins without the right gets NO_PERMISSION', async () => {
    await using transport = await transportOf('provisioner');
    const node = createNode({ transport, numShards: NUM_SHARDS, shards: [0], handler: () => 1 });
    await expect(node.start()).rejects.toMatchObject({ code: 'NO_PERMISSION' });
    await expect(membershipOf('web').open()).rejects.toMatchObject({ code: 'NO_PERMISSION' });
  });

  test('a client that may not receive announcements, and a node that may not send them, work on', async () => {
    const logger = recordLog();
    // Each in the part of the other, as far as announcements go: these users are from before there were any.
    const of = (user: string) => natsTransport({ ...login(user), logger, inboxPrefixes: ['_INBOX.old'] });
    await using transport = await of('old-node');
    await using node = createNode({ transport, numShards: NUM_SHARDS, shards: [3], handler: () => 'here' });
    await node.start();
    await using clientTransport = await of('old-client');
    await using client = createClient({
      transport: clientTransport,
      numShards: NUM_SHARDS,
      routing: 'topology',
    });
    for (let i = 0; i < 2; i++) transport.announce(nodeAddress('n', 'i')!);
    expect(await client.requestShard(3, 'Get')).toBe('here');
    expect(await client.requestShard(3, 'Get')).toBe('here');
    expect(
      problemsOf(logger)
        .map(({ message }) => message)
        .sort(),
    ).toEqual([
      'new owners are not announced: clients find them more slowly',
      // The node may not listen on an inbox either: it cannot ask itself whether messages reach it.
      'the NATS server denies this client its replies',
      'this client cannot receive announcements: it finds new owners more slowly',
    ]);
  });

  test("a client's write to the bucket changes nothing", async () => {
    const store = await membershipOf('node').open();
    const before = await store.read(CONFIG_KEY, 5_000);
    expect(await attempt(raw.get('web')!, ['publish', '$KV.clstr.cfg'])).toBe('refused');
    expect(await store.read(CONFIG_KEY, 5_000)).toEqual(before);
    await store.close();
  });

  test('a write with a roll-up header deletes nothing, whichever user writes', async () => {
    const store = await membershipOf('node').open();
    const before = await store.list(5_000);
    for (const [user, key] of [
      ['node', 'm.zz'],
      ['app', 'm.zz'],
      ['provisioner', 's.99'],
    ] as const) {
      const rollup = headers();
      rollup.set('Nats-Rollup', 'all');
      const options = { headers: rollup, timeout: 5_000 };
      const answer = await raw.get(user)!.request(`$KV.clstr.${key}`, 'x', options);
      expect(answer.json()).toMatchObject({ error: { err_code: 10_111 } });
    }
    expect(await store.list(5_000)).toEqual(before);
    await store.close();
  });

  test('what a node has sent to other subjects does not leave the account of its cluster', async () => {
    const outside = await connect(login('orders'));
    const seen: string[] = [];
    const last = deferred();
    outside.subscribe('>', {
      callback: (_error, { subject }) => {
        seen.push(subject);
        if (subject === 'last') last.resolve();
      },
    });
    await outside.flush();
    const node = raw.get('node')!;
    const config = {
      deliver_subject: 'payments.transfer',
      filter_subject: '$KV.clstr.cfg',
      deliver_policy: 'last_per_subject',
      ack_policy: 'none',
    };
    const request = JSON.stringify({ stream_name: 'KV_clstr', config });
    const answer = await node.request('$JS.API.CONSUMER.CREATE.KV_clstr', request, { timeout: 5_000 });
    expect(answer.json<{ error?: unknown }>().error).toBeUndefined();
    for (const subject of ['clstr.shard.0', 'clstr.topology.changes', '_INBOX.web.x']) node.publish(subject);
    await node.flush();
    outside.publish('last');
    await last.promise;
    expect(seen).toEqual(['last']);
    await outside.close();
  });

  test('nobody in another account reaches the cluster', async () => {
    const outside = await connect(login('orders'));
    const options = { timeout: 5_000 };
    for (const subject of [
      'clstr.shard.0',
      'clstr.topology',
      '$KV.clstr.cfg',
      '$JS.API.STREAM.INFO.KV_clstr',
    ]) {
      const answer = outside.request(subject, '{}', options).then((message) => message.json());
      if (subject.startsWith('$JS')) expect(await answer).toMatchObject({ error: { err_code: 10_059 } });
      else await expect(answer).rejects.toMatchObject({ code: '503' });
    }
    await outside.close();
  });

  const api = (...methods: string[]): Try[] => methods.map((method) => ['publish', `$JS.API.${method}`]);
  const publish = (...subjects: string[]): Try[] => subjects.map((subject) => ['publish', subject]);
  const subscribe = (...subjects: string[]): Try[] => subjects.map((subject) => ['subscribe', subject]);

  const destructive = api(
    'STREAM.DELETE.KV_clstr',
    'STREAM.PURGE.KV_clstr',
    'STREAM.MSG.DELETE.KV_clstr',
    'STREAM.SNAPSHOT.KV_clstr',
    'STREAM.RESTORE.KV_clstr',
    'STREAM.LIST',
    'STREAM.NAMES',
    'INFO',
    'STREAM.DELETE.other',
    'STREAM.CREATE.other',
    'STREAM.INFO.other',
    'STREAM.MSG.GET.other',
    'CONSUMER.CREATE.other',
    'CONSUMER.DELETE.other.x',
    'STREAM.LEADER.STEPDOWN.KV_clstr',
  );
  const foreign = [
    ...publish('orders.created', '$KV.other.cfg', '$KV.clstr.x', '$KV.clstr.h.a.b', '$SYS.REQ.SERVER.PING'),
    ...publish('clstr.shard', 'clstr.shard.1.2', 'clstr.node.a', 'clstr.other'),
    ...subscribe('>', 'orders.created', '_INBOX.>', '_INBOX.*', '$KV.clstr.>', '$JS.>', '$SYS.>', 'clstr.>'),
  ];
  const asking = publish('clstr.topology');
  /** Nodes too: each asks itself whether messages reach it. */
  const reaching = publish('clstr.shard.0', 'clstr.node.a.b');
  const calling = [...reaching, ...asking];
  const serving: Try[] = [
    ...subscribe('clstr.shard.0', 'clstr.shard.*', 'clstr.node.a.b', 'clstr.node.*.*'),
    ['subscribe', 'clstr.topology', 'nodes'],
  ];
  const making = api('STREAM.CREATE.KV_clstr', 'STREAM.UPDATE.KV_clstr');
  const reading = api(
    'STREAM.INFO.KV_clstr',
    'STREAM.MSG.GET.KV_clstr',
    'CONSUMER.CREATE.KV_clstr',
    'CONSUMER.DELETE.KV_clstr.x',
  );
  const answering = publish('_INBOX.web.x.y', '_INBOX.jobs.x');
  const owning = publish('$KV.clstr.h.a', '$KV.clstr.m.a');
  const announcing = publish('clstr.topology.changes');
  const hearing = subscribe('clstr.topology.changes');
  const filling = publish('$KV.clstr.cfg', '$KV.clstr.s.0', '$JS.FC.KV_clstr.x.y');
  const inboxesBut = (own: string): Try[] =>
    subscribe(
      ...Object.keys(USERS)
        .filter((user) => user !== own)
        .map((user) => `_INBOX.${user}.>`),
    );

  const forbidden: Readonly<Record<string, readonly Try[]>> = {
    web: [...serving, ...making, ...reading, ...answering, ...owning, ...filling, ...announcing],
    jobs: [...serving, ...making, ...reading, ...answering, ...owning, ...filling, ...announcing],
    node: [...asking, ...making, ...subscribe('clstr.topology'), ...hearing],
    app: [...making, ...subscribe('clstr.topology')],
    provisioner: [...calling, ...serving, ...answering, ...owning, ...announcing, ...hearing],
  };
  const allowed: Readonly<Record<string, readonly Try[]>> = {
    web: [...calling, ...hearing],
    jobs: [...calling, ...hearing],
    node: [...reaching, ...serving, ...reading, ...answering, ...announcing],
    app: [...calling, ...serving, ...reading, ...answering, ...announcing, ...hearing],
    provisioner: reading,
  };

  for (const user of Object.keys(USERS)) {
    const everywhere = [...destructive, ...foreign, ...inboxesBut(user), ...subscribe('_INBOX.other.>')];

    test.each(titled([...forbidden[user]!, ...everywhere]))(`${user} may not $title`, async ({ one }) => {
      expect(await attempt(raw.get(user)!, one)).toBe('refused');
    });

    test.each(titled([...allowed[user]!, ...subscribe(`_INBOX.${user}.x`)]))(
      `${user} may $title`,
      async ({ one }) => {
        expect(await attempt(raw.get(user)!, one)).toBe('allowed');
      },
    );
  }
});

function titled(tries: readonly Try[]): { title: string; one: Try }[] {
  return tries.map((one) => ({ title: one.join(' '), one }));
}

/** What the server says to it, once it has seen it. */
async function attempt(
  connection: NatsConnection,
  [operation, subject, queue]: Try,
): Promise<'allowed' | 'refused'> {
  let verdict: 'allowed' | 'refused' = 'allowed';
  const status = connection.status() as ReturnType<NatsConnection['status']> & { stop(): void };
  const listening = (async () => {
    for await (const { permissionContext } of status) {
      if (permissionContext?.operation === operation && permissionContext.subject === subject) {
        verdict = 'refused';
      }
    }
  })();
  if (operation === 'publish') connection.publish(subject, '{}');
  else {
    const options = queue === undefined ? {} : { queue };
    const subscription = connection.subscribe(subject, {
      ...options,
      callback: (error) => {
        if (error !== null) verdict = 'refused';
      },
    });
    await connection.flush();
    if (!subscription.isClosed()) subscription.unsubscribe();
  }
  await connection.flush();
  await new Promise(setImmediate);
  status.stop();
  await listening;
  return verdict;
}

function problemsOf({ lines }: RecordedLogger): LogRecord[] {
  return lines.filter(({ level }) => level === 'warn' || level === 'error');
}
