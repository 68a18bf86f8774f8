import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { Routes } from '../../src/client/routes.ts';
import { ClientTopology } from '../../src/client/topology.ts';
import { createClient } from '../../src/client/client.ts';
import { bytesCodec } from '../../src/wire/codec.ts';
import { ClstrError } from '../../src/base/errors.ts';
import { nodeAddress } from '../../src/wire/address.ts';
import type { NodeAddress } from '../../src/wire/transport.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const ANSWER_MS = 500;
const PAUSE_MS = 50;

function start() {
  const transport = new ScriptedTransport();
  const clock = fakeClock();
  const routes = new Routes();
  const moved: number[] = [];
  const random = { bytes: (count: number) => new Uint8Array(count).fill(128) };
  let attempts = 0;
  const topology = new ClientTopology({
    link: transport.openLink({ clientId: 1 }),
    clock,
    routes,
    random,
    numShards: 20_000,
    nextAttempt: () => ++attempts,
    onIdentity: () => undefined,
    onMoved: (shard) => moved.push(shard),
  });
  /** Asks, and is told. */
  const told = async (answer: unknown): Promise<void> => {
    topology.refresh();
    transport.last.reply(answer);
    await clock.advance(PAUSE_MS);
  };
  return { transport, clock, routes, moved, topology, told };
}

/** The routes of the first 20,000 shards, where there are any. */
function known(routes: Routes): [number, NodeAddress][] {
  const all = Array.from({ length: 20_000 }, (_, shard) => [shard, routes.get(shard)] as const);
  return all.filter((entry): entry is [number, NodeAddress] => entry[1] !== undefined);
}

const owners = (...list: unknown[]) => ({ clusterId: 'c', owners: list });
const refusal = (details: Record<string, unknown> | undefined): ClstrError =>
  new ClstrError('NOT_OWNER', 'not here', { details });

describe('a question', () => {
  test('goes to any node, and gives it half a second', async () => {
    const { topology, transport, clock } = start();
    topology.refresh();
    expect(transport.last.to).toEqual({ topology: true });
    expect(transport.last.entry).toMatchObject({ type: 'clstr.topology', payload: 'null', isNotify: false });
    expect(transport.last.entry.remainingMs()).toBe(ANSWER_MS);
    await clock.advance(ANSWER_MS);
    expect(transport.cancelled).toEqual([1]);
  });

  test('is asked once at a time, and again after a pause when it was due in the meantime', async () => {
    const { topology, transport, clock } = start();
    for (let i = 0; i < 3; i++) topology.refresh();
    expect(transport.sent).toHaveLength(1);
    transport.last.reply(owners());
    topology.refresh();
    await clock.advance(PAUSE_MS - 1);
    expect(transport.sent).toHaveLength(1);
    await clock.advance(1);
    expect(transport.sent).toHaveLength(2);
    transport.last.reply(owners());
    await clock.advance(1_000);
    expect(transport.sent).toHaveLength(2);
    expect(clock.timerCount).toBe(0);
  });

  test.each([
    [
      'nobody answers',
      (transport: ScriptedTransport) => transport.last.fail(new ClstrError('NO_SUBSCRIBER', 'no')),
    ],
    [
      'a node refuses',
      (transport: ScriptedTransport) => transport.last.refuse(new ClstrError('DRAINING', 'no')),
    ],
  ])('that %s can be asked again', async (_what, end) => {
    const { topology, transport, clock, routes } = start();
    topology.refresh();
    end(transport);
    await clock.advance(PAUSE_MS);
    topology.refresh();
    expect(transport.sent).toHaveLength(2);
    expect(known(routes)).toEqual([]);
  });

  test('whose answer comes late, after another was asked, is not believed', async () => {
    const { topology, transport, clock, routes } = start();
    topology.refresh();
    const [first] = transport.sent;
    await clock.advance(ANSWER_MS + PAUSE_MS);
    topology.refresh();
    first!.reply(owners([3, 1, 'a', 'i']));
    expect(known(routes)).toEqual([]);
  });

  test('is not asked by a client that is closed', async () => {
    const { topology, transport, clock } = start();
    topology.refresh();
    topology.close();
    topology.refresh();
    await clock.advance(1_000);
    expect(transport.sent).toHaveLength(1);
    expect(clock.timerCount).toBe(0);
  });

  test('is the first thing that a client asks, if it follows its cluster', () => {
    const transport = new ScriptedTransport();
    createClient({ transport, clock: fakeClock(), routing: 'topology' });
    expect(transport.sent.map(({ entry }) => entry.type)).toEqual(['clstr.topology']);
  });

  test('is asked and answered in JSON, whatever the codec of the application', () => {
    const transport = new ScriptedTransport();
    const client = createClient({
      transport,
      clock: fakeClock(),
      codec: bytesCodec,
      routing: 'topology',
      numShards: 1,
    });
    expect(transport.last.entry.payload).toBe('null');
    transport.last.reply(owners([0, 1, 'a', 'i']));
    void client.requestShard(0, 'Get').catch(() => undefined);
    expect(transport.last.to).toEqual({ nodeId: 'a', inc: 'i' });
  });
});

describe('a question that a node refuses', () => {
  test.each([
    ['DRAINING', PAUSE_MS],
    // Half a second, as the random bytes of `start` say.
    ['OVERLOADED', ANSWER_MS],
  ] as const)('as %s is asked again after %i ms, and the routes stay', async (code, pauseMs) => {
    const { topology, transport, clock, routes, told } = start();
    await told(owners([3, 1, 'a', 'i']));
    topology.refresh();
    transport.last.refuse(new ClstrError(code, 'not now'));
    await clock.advance(pauseMs - 1);
    expect([transport.sent.length, routes.get(3)]).toEqual([2, nodeAddress('a', 'i')]);
    await clock.advance(1);
    transport.last.reply(owners([3, 2, 'b', 'j']));
    await clock.advance(10_000);
    expect([transport.sent.length, routes.get(3), clock.timerCount]).toEqual([3, nodeAddress('b', 'j'), 0]);
  });
});

describe('the version of the owners', () => {
  const payload = (transport: ScriptedTransport) =>
    JSON.parse(transport.last.entry.payload as string) as unknown;

  test('is named by the next question, and an answer without owners changes nothing', async () => {
    const { topology, transport, routes, told } = start();
    await told({ ...owners([3, 1, 'a', 'i']), version: 'v1' });
    await told({ clusterId: 'c', version: 'v1' });
    topology.refresh();
    expect([payload(transport), routes.get(3)]).toEqual([{ known: 'v1' }, nodeAddress('a', 'i')]);
  });

  test.each([5, 'x'.repeat(65), undefined])(
    'is forgotten after a whole answer with the version %.8j',
    async (version) => {
      const { topology, transport, told } = start();
      await told({ ...owners([3, 1, 'a', 'i']), version: 'v1' });
      await told({ ...owners([3, 2, 'a', 'i']), version });
      topology.refresh();
      expect(payload(transport)).toBe(null);
    },
  );
});

describe('an announcement', () => {
  /** As `random` in `start` says: half of the jitter. */
  const JITTER_MS = 25;
  const ANNOUNCED_PAUSE_MS = 200;
  const ANNOUNCER = nodeAddress('b', 'j')!;

  test('makes this client ask any node, in a moment of its own', async () => {
    const { topology, transport, clock } = start();
    topology.onAnnouncement(ANNOUNCER);
    await clock.advance(JITTER_MS - 1);
    expect(transport.sent).toEqual([]);
    await clock.advance(1);
    expect(transport.sent.map(({ to }) => to)).toEqual([{ topology: true }]);
  });

  test.each([0, 255])('is heard by each client at its own time, within 50 ms: %d', async (byte) => {
    const transport = new ScriptedTransport();
    const clock = fakeClock();
    const random = { bytes: (count: number) => new Uint8Array(count).fill(byte) };
    const topology = new ClientTopology({
      link: transport.openLink({ clientId: 1 }),
      clock,
      random,
      routes: new Routes(),
      numShards: 8,
      nextAttempt: () => 1,
      onIdentity: () => undefined,
      onMoved: () => undefined,
    });
    topology.onAnnouncement(ANNOUNCER);
    await clock.advance((50 * byte) / 256);
    expect(transport.sent).toHaveLength(1);
  });

  test('teaches nothing by itself, whoever it claims to be from', async () => {
    const { topology, clock, routes, moved } = start();
    for (const from of [ANNOUNCER, undefined]) topology.onAnnouncement(from);
    await clock.advance(1_000);
    expect([known(routes), moved]).toEqual([[], []]);
  });

  test('comes ten thousand times, and is asked about once', async () => {
    const { topology, transport, clock } = start();
    for (let i = 0; i < 10_000; i++) topology.onAnnouncement(nodeAddress(`n${i}`, 'i'));
    await clock.advance(JITTER_MS);
    transport.last.reply(owners());
    await clock.advance(10_000);
    expect(transport.sent).toHaveLength(1);
    expect(clock.timerCount).toBe(0);
  });

  test('comes ten thousand times in ten seconds, and is asked about at most five times a second', async () => {
    const { topology, transport, clock } = start();
    for (let i = 0; i < 10_000; i++) {
      topology.onAnnouncement(ANNOUNCER);
      await clock.advance(1);
      const { last } = transport;
      if (transport.sent.length > 0 && last.entry.attempt === transport.sent.length) last.reply(owners());
    }
    expect(transport.sent.length).toBeGreaterThan(30);
    expect(transport.sent.length).toBeLessThanOrEqual(10_000 / ANNOUNCED_PAUSE_MS);
  });

  test('during a question is asked about after it', async () => {
    const { topology, transport, clock } = start();
    topology.refresh();
    topology.onAnnouncement(ANNOUNCER);
    await clock.advance(JITTER_MS);
    expect(transport.sent).toHaveLength(1);
    transport.last.reply(owners());
    await clock.advance(PAUSE_MS);
    expect(transport.sent).toHaveLength(2);
  });

  test('names whom to ask after silence, once', async () => {
    const { topology, transport, clock, routes } = start();
    topology.onAnnouncement(ANNOUNCER);
    await clock.advance(JITTER_MS);
    for (let i = 0; i < 2; i++) await clock.advance(ANSWER_MS + PAUSE_MS);
    expect(transport.sent.map(({ to }) => to)).toEqual([{ topology: true }, ANNOUNCER, { topology: true }]);
    transport.last.reply(owners([3, 1, 'b', 'j']));
    expect(routes.get(3)).toEqual(ANNOUNCER);
    await clock.advance(10_000);
    expect(transport.sent).toHaveLength(3);
  });

  test('that names a node which is not there costs one question', async () => {
    const { topology, transport, clock } = start();
    topology.onAnnouncement(nodeAddress('nobody', 'x'));
    await clock.advance(JITTER_MS + ANSWER_MS + PAUSE_MS);
    expect(transport.last.to).toEqual({ nodeId: 'nobody', inc: 'x' });
    transport.last.fail(new ClstrError('NO_SUBSCRIBER', 'no'));
    await clock.advance(PAUSE_MS);
    expect(transport.sent.map(({ to }) => to).at(-1)).toEqual({ topology: true });
    transport.last.reply(owners());
    await clock.advance(10_000);
    expect(transport.sent).toHaveLength(3);
  });

  test('is not heard by a client that is closed', async () => {
    const { topology, transport, clock } = start();
    topology.onAnnouncement(ANNOUNCER);
    topology.close();
    topology.onAnnouncement(ANNOUNCER);
    await clock.advance(1_000);
    expect([transport.sent.length, clock.timerCount]).toEqual([0, 0]);
  });

  test('is listened for by clients that follow their cluster only', () => {
    const transport = new ScriptedTransport();
    createClient({ transport, clock: fakeClock() });
    expect(transport.announceTo).toBeUndefined();
    createClient({ transport, clock: fakeClock(), routing: 'topology' });
    expect(transport.announceTo).toBeDefined();
  });

  test('may have been missed while there was no connection', async () => {
    const { transport, clock, questions } = follow();
    await clock.advance(1_000);
    transport.become('disconnected');
    transport.become('connected');
    await clock.advance(50);
    expect(questions()).toHaveLength(2);
  });
});

describe('an answer', () => {
  test('gives each shard its owner, with one address for all shards of a run', async () => {
    const { told, routes, moved } = start();
    await told(owners([3, 1, 'a', 'i'], [4, 2, 'b', 'j'], [5, 1, 'a', 'i']));
    expect(known(routes)).toEqual([
      [3, { nodeId: 'a', inc: 'i' }],
      [4, { nodeId: 'b', inc: 'j' }],
      [5, { nodeId: 'a', inc: 'i' }],
    ]);
    expect(routes.get(3)).toBe(routes.get(5));
    expect(moved).toEqual([3, 4, 5]);
  });

  test('never leads back to an owner of the same or an earlier epoch', async () => {
    const { told, routes, moved } = start();
    await told(owners([3, 5, 'a', 'i']));
    await told(owners([3, 5, 'b', 'j'], [3, 4, 'b', 'j']));
    expect(routes.get(3)).toEqual({ nodeId: 'a', inc: 'i' });
    await told(owners([3, 6, 'b', 'j']));
    expect(routes.get(3)).toEqual({ nodeId: 'b', inc: 'j' });
    expect(moved).toEqual([3, 3]);
  });

  test('of another cluster begins epochs anew', async () => {
    const { told, routes } = start();
    await told(owners([3, 5, 'a', 'i']));
    await told({ clusterId: 'another', owners: [[3, 1, 'b', 'j']] });
    expect(routes.get(3)).toEqual({ nodeId: 'b', inc: 'j' });
  });

  test.each([
    null,
    'owners',
    [],
    {},
    { clusterId: 5, owners: [[3, 1, 'a', 'i']] },
    { clusterId: 'c', owners: 'all' },
    owners(null),
    owners('3'),
    owners([3]),
    owners(['3', 1, 'a', 'i']),
    owners([3, 0, 'a', 'i']),
    owners([3, 1.5, 'a', 'i']),
    owners([3, '1', 'a', 'i']),
    owners([3, 1, 5, 'i']),
    owners([3, 1, 'a', 5]),
  ])('that is malformed has no effect: %j', async (answer) => {
    const { told, routes, moved } = start();
    await told(answer);
    expect([known(routes), moved]).toEqual([[], []]);
  });

  test('with one malformed owner still yields the others', async () => {
    const { told, routes } = start();
    await told(owners([3], [4, 1, 'a', 'i']));
    expect(known(routes).map(([shard]) => shard)).toEqual([4]);
  });

  test.each([-1, 20_000, 1.5, NaN, '3', 2 ** 40])(
    'about the shard %s, which is none, is passed over',
    async (shard) => {
      const { told, routes, moved } = start();
      await told(owners([shard, 1, 'a', 'i']));
      expect([known(routes), moved, routes.epochOf(shard as number)]).toEqual([[], [], 0]);
    },
  );

  test.each([
    ['x.y 0\r\n\r\nPUB admin 0\r\n\r\nPUB z', 'i'],
    ['a', 'i 0\r\n'],
    ['a', ''],
    ['a.b', 'i'],
    ['x'.repeat(65), 'i'],
  ])('with an owner %j, %j that is not a valid name has no effect', async (nodeId, inc) => {
    const { told, routes, moved } = start();
    await told(owners([3, Number.MAX_SAFE_INTEGER, nodeId, inc]));
    expect([known(routes), moved, routes.epochOf(3)]).toEqual([[], [], 0]);
    await told(owners([3, 1, 'b', 'j']));
    expect(routes.get(3)).toEqual({ nodeId: 'b', inc: 'j' });
  });

  test('that the codec cannot decode has no effect, and does not break the client', async () => {
    const { topology, transport, routes, clock } = start();
    topology.refresh();
    transport.last.replyEncoded('{');
    await clock.advance(PAUSE_MS);
    expect(known(routes)).toEqual([]);
    topology.refresh();
    expect(transport.sent).toHaveLength(2);
  });

  test('may name more runs than are remembered', async () => {
    const { told, routes } = start();
    await told(owners(...Array.from({ length: 10_001 }, (_, i) => [i, 1, `n${i}`, 'i'])));
    expect(known(routes)).toHaveLength(10_001);
  });
});

describe('a refusal', () => {
  test('that names the owner is learned from, if that is news', () => {
    const { topology, routes, moved } = start();
    topology.learnFrom(3, refusal({ epoch: 2, nodeId: 'b', inc: 'j' }));
    expect(routes.get(3)).toEqual({ nodeId: 'b', inc: 'j' });
    topology.learnFrom(3, refusal({ epoch: 1, nodeId: 'a', inc: 'i' }));
    topology.learnFrom(3, refusal({ epoch: 2, nodeId: 'a', inc: 'i' }));
    expect([routes.get(3), moved]).toEqual([{ nodeId: 'b', inc: 'j' }, [3]]);
  });

  test.each([
    undefined,
    {},
    { epoch: -1, nodeId: 'b', inc: 'j' },
    { epoch: '2', nodeId: 'b', inc: 'j' },
    { epoch: 2, nodeId: 7, inc: 'j' },
    { epoch: 2, nodeId: 'b' },
    { epoch: 2, nodeId: 'b 0\r\n', inc: 'j' },
    { epoch: 2, nodeId: 'b', inc: 'j.*' },
  ])('with the details %j is not', (details) => {
    const { topology, routes } = start();
    topology.learnFrom(3, refusal(details));
    expect(known(routes)).toEqual([]);
  });
});

test('a route that leads nowhere is forgotten, unless a newer one is known', () => {
  const { topology, routes } = start();
  topology.learnFrom(3, refusal({ epoch: 1, nodeId: 'a', inc: 'i' }));
  const old = routes.get(3)!;
  topology.learnFrom(3, refusal({ epoch: 2, nodeId: 'b', inc: 'j' }));
  routes.forget(3, old);
  expect(routes.get(3)).toEqual({ nodeId: 'b', inc: 'j' });
  routes.forget(3, routes.get(3)!);
  expect(known(routes)).toEqual([]);
});

/** A client that knows that node a, in its run i, owns shard 3. */
function follow() {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  const random = { bytes: (count: number) => new Uint8Array(count).fill(255) };
  const client = createClient({ transport, clock, random, numShards: 16, routing: 'topology' });
  transport.last.reply(owners([3, 1, 'a', 'i']));
  const calls = () => transport.sent.filter(({ entry }) => entry.type === 'Get');
  const questions = () => transport.sent.filter(({ entry }) => entry.type === 'clstr.topology');
  return { transport, clock, client, calls, questions };
}

describe('a call of a client that follows its cluster', () => {
  test('goes straight to the owner', () => {
    const { client, calls } = follow();
    void client.requestShard(3, 'Get').catch(() => undefined);
    expect(calls()[0]!.to).toEqual({ nodeId: 'a', inc: 'i' });
  });

  test('follows a refusal that names the new owner, at once', async () => {
    const { client, calls } = follow();
    const answer = client.requestShard(3, 'Get');
    calls()[0]!.refuse(refusal({ epoch: 2, nodeId: 'b', inc: 'j' }));
    expect(calls()[1]!.to).toEqual({ nodeId: 'b', inc: 'j' });
    calls()[1]!.reply('done');
    expect(await answer).toBe('done');
  });

  test.each(['NO_SUBSCRIBER', 'NOT_OWNER', 'DRAINING'] as const)(
    'that the owner answers with %s asks the shard’s own subject at once',
    (code) => {
      const { client, calls } = follow();
      void client.requestShard(3, 'Get').catch(() => undefined);
      calls()[0]!.refuse(new ClstrError(code, 'no'));
      expect(calls()[1]!.to).toEqual({ shard: 3 });
    },
  );

  test('that meets an owner which has to prove itself waits for it, and asks for another', async () => {
    const { client, calls, questions, clock } = follow();
    await clock.advance(PAUSE_MS);
    const answer = client.requestShard(3, 'Get');
    calls()[0]!.refuse(refusal({ epoch: 1, nodeId: 'a', inc: 'i' }));
    expect([calls().length, questions().length]).toEqual([1, 2]);
    await clock.advance(25);
    expect(calls()[1]!.to).toEqual({ nodeId: 'a', inc: 'i' });
    calls()[1]!.reply('done');
    expect(await answer).toBe('done');
  });

  test('whose shard is moving waits, and asks for its owner', async () => {
    const { client, calls, questions, clock } = follow();
    await clock.advance(PAUSE_MS);
    void client.requestShard(3, 'Get').catch(() => undefined);
    calls()[0]!.refuse(new ClstrError('MOVED', 'no'));
    expect([calls().length, questions().length]).toEqual([1, 2]);
    questions()[1]!.reply(owners([3, 2, 'b', 'j']));
    expect(calls()[1]!.to).toEqual({ nodeId: 'b', inc: 'j' });
  });

  test('that finds a full mailbox comes back to the same owner', async () => {
    const { client, calls, questions, clock } = follow();
    void client.requestShard(3, 'Get').catch(() => undefined);
    calls()[0]!.refuse(new ClstrError('OVERLOADED', 'no'));
    await clock.advance(25);
    expect(calls()[1]!.to).toEqual({ nodeId: 'a', inc: 'i' });
    expect(questions()).toHaveLength(1);
  });

  test('that the server forbids asks the shard instead, and all later ones too', () => {
    const { client, calls } = follow();
    void client.requestShard(3, 'Get').catch(() => undefined);
    calls()[0]!.fail(new ClstrError('NO_PERMISSION', 'no', { outcome: 'not-executed' }));
    expect(calls()[1]!.to).toEqual({ shard: 3 });
    void client.requestShard(3, 'Get').catch(() => undefined);
    expect(calls()[2]!.to).toEqual({ shard: 3 });
  });

  test('answered late, by an owner before one that was known and forgotten, changes no route', async () => {
    const { client, calls, clock } = follow();
    const gone = new ClstrError('NO_SUBSCRIBER', 'no');
    const direct = client.requestShard(3, 'Get');
    const own = client.requestShard(4, 'Get');
    const other = client.requestShard(3, 'Get');
    calls()[2]!.refuse(refusal({ epoch: 2, nodeId: 'b', inc: 'j' }));
    calls()[3]!.refuse(gone);
    calls()[0]!.reply('late', nodeAddress('a', 'i'));
    expect(await direct).toBe('late');
    const next = client.requestShard(3, 'Get');
    await clock.advance(100);
    for (const { to } of calls().slice(4)) expect(to).toEqual({ shard: 3 });
    expect(calls().length).toBeGreaterThan(5);
    calls()[1]!.reply('first', nodeAddress('z', 'y'));
    expect(await own).toBe('first');
    void client.requestShard(4, 'Get').catch(() => undefined);
    expect(calls().at(-1)!.to).toEqual({ nodeId: 'z', inc: 'y' });
    void Promise.allSettled([other, next]);
  });

  test('answered late, by an owner before the one that is known, changes no route', async () => {
    const { client, calls } = follow();
    const answers = [client.requestShard(3, 'Get'), client.requestShard(4, 'Get')];
    calls()[0]!.reply('late', nodeAddress('z', 'y'));
    calls()[1]!.reply('first', nodeAddress('z', 'y'));
    await Promise.all(answers);
    void client.requestShard(3, 'Get').catch(() => undefined);
    void client.requestShard(4, 'Get').catch(() => undefined);
    expect(
      calls()
        .slice(2)
        .map(({ to }) => to),
    ).toEqual([nodeAddress('a', 'i')!, nodeAddress('z', 'y')!]);
  });
});
