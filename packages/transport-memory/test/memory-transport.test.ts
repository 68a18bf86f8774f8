import type { ConnectionEvent } from '@clstr/core';
import { nodeAddress } from '@clstr/core/wire';
import { describe, expect, test } from 'vitest';
import { createMemoryBus, memoryTransport } from '../src/index.ts';
import type { MemoryTransportOptions, Packet } from '../src/index.ts';
import { SELF, receiver, send, settle } from './wire.ts';

describe('the options of memoryTransport', () => {
  test.each([
    [{ bus: {} }, /^memoryTransport: bus must be an object with a method enqueue/],
    [{ bus: 'bus' }, /^memoryTransport: bus must be .*got "bus"/],
    [{ maxPayload: 5 }, /^memoryTransport: unknown option "maxPayload"; known: bus/],
  ])('refuses %o', (options, message) => {
    expect(() => memoryTransport(options as unknown as MemoryTransportOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) }),
    );
  });

  test('without a bus, transports are alone', async () => {
    const [a, b] = [memoryTransport(), memoryTransport()];
    await a.serve(
      { shard: 1 },
      receiver(() => 'a'),
      SELF,
    );
    const effect = send(b.openLink({ clientId: 1 }));
    await settle();
    expect(effect).toEqual(['sent', 'error: NO_SUBSCRIBER not-executed']);
  });

  test('on one bus, transports reach each other', async () => {
    const bus = createMemoryBus();
    const [a, b] = [memoryTransport({ bus }), memoryTransport({ bus })];
    await a.serve(
      { shard: 1 },
      receiver(() => 'a'),
      SELF,
    );
    const effect = send(b.openLink({ clientId: 1 }));
    await settle();
    expect(effect).toEqual(['sent', 'reply: a']);
  });
});

describe('the readings of a transport', () => {
  test('count what left in batches, both ways, for all its services together, and keep the counts when it is closed', async () => {
    const transport = memoryTransport();
    await transport.serve(
      { shard: 1 },
      receiver(() => 'a'),
      SELF,
    );
    const view = transport.service('orders');
    const readings = transport.readings!;
    expect(view.readings).toBe(readings);
    expect(readings).toMatchObject({ name: 'memory', state: 'connected', batches: 0 });
    const link = transport.openLink({ clientId: 1 });
    const effects = [1, 2, 3].map((attempt) => send(link, { attempt }));
    await settle();
    expect(effects).toEqual(effects.map(() => ['sent', 'reply: a']));
    expect([readings.batches, readings.entries, readings.batchSizes.slice(0, 4)]).toEqual([
      2,
      6,
      [0, 0, 2, 0],
    ]);
    await view.close();
    expect(readings.state).toBe('connected');
    await transport.close();
    expect([readings.state, readings.batches]).toEqual(['closed', 2]);
  });
});

describe('serving', () => {
  test('ends when its subscription closes, as often as it is closed', async () => {
    const transport = memoryTransport();
    const subscription = await transport.serve(
      { shard: 1 },
      receiver(() => 'a'),
      SELF,
    );
    await subscription.close();
    await subscription.close();
    const effect = send(transport.openLink({ clientId: 1 }));
    await settle();
    expect(effect).toEqual(['sent', 'error: NO_SUBSCRIBER not-executed']);
  });

  test('answers what had arrived before its subscription closed', async () => {
    const transport = memoryTransport();
    const node = receiver(() => undefined);
    const subscription = await transport.serve({ shard: 1 }, node, SELF);
    const effect = send(transport.openLink({ clientId: 1 }));
    await settle();
    await subscription.close();
    const { port, entry } = node.arrivals[0]!;
    port.reply(entry, 'still', false);
    await settle();
    expect(effect).toEqual(['sent', 'reply: still']);
  });
});

describe('close', () => {
  test('sends what was handed over, and fails what waits for a reply as unknown', async () => {
    const bus = createMemoryBus();
    const [nodeSide, clientSide] = [memoryTransport({ bus }), memoryTransport({ bus })];
    const node = receiver(() => undefined);
    await nodeSide.serve({ shard: 1 }, node, SELF);
    const link = clientSide.openLink({ clientId: 1 });
    const effect = send(link);
    await clientSide.close();
    expect(effect).toEqual(['sent', 'error: TRANSPORT_CLOSED unknown']);
    await settle();
    expect(node.arrivals).toHaveLength(1);
    const late = send(link);
    await settle();
    expect(late).toEqual(['error: TRANSPORT_CLOSED not-executed']);
  });

  test('fails as not executed what an entry sends as it leaves', async () => {
    const transport = memoryTransport();
    await transport.serve(
      { shard: 1 },
      receiver(() => undefined),
      SELF,
    );
    const link = transport.openLink({ clientId: 1 });
    const inner: string[][] = [];
    const closing = transport.close();
    link.send(
      { shard: 1 },
      {
        isNotify: true,
        attempt: 100_000,
        shard: 1,
        type: 'Poke',
        key: undefined,
        headers: undefined,
        payload: '',
        isRaw: false,
        remainingMs: () => 1,
      },
      { onSent: () => inner.push(send(link)), onReply() {}, onError() {} },
    );
    await closing;
    await settle();
    expect(inner).toHaveLength(1);
    expect(inner[0]!.at(-1)).toMatch(/^error: (TRANSPORT_CLOSED|NO_SUBSCRIBER) not-executed$/);
  });

  test('calls listeners once, except those that stopped listening', async () => {
    const transport = memoryTransport();
    const events: ConnectionEvent[] = [];
    const others: ConnectionEvent[] = [];
    transport.onConnection((event) => events.push(event));
    transport.onConnection((event) => others.push(event))();
    expect(transport.state).toBe('connected');
    await Promise.all([transport.close(), transport.close()]);
    await transport[Symbol.asyncDispose]();
    expect(transport.state).toBe('closed');
    expect(events).toEqual([{ state: 'closed', server: undefined }]);
    expect(others).toEqual([]);
  });

  test('refuses what comes later', async () => {
    const transport = memoryTransport();
    await transport.close();
    const closed = expect.objectContaining({ code: 'TRANSPORT_CLOSED', outcome: 'not-executed' });
    expect(() => transport.openLink({ clientId: 1 })).toThrow(closed);
    await expect(
      transport.serve(
        { shard: 1 },
        receiver(() => ''),
        SELF,
      ),
    ).rejects.toEqual(closed);
  });

  test('leaves the other transports of the bus alone', async () => {
    const bus = createMemoryBus();
    const [a, b] = [memoryTransport({ bus }), memoryTransport({ bus })];
    await a.serve(
      { shard: 1 },
      receiver(() => 'a'),
      SELF,
    );
    await b.serve(
      { shard: 2 },
      receiver(() => 'b'),
      nodeAddress('n2', 'b')!,
    );
    await a.close();
    const link = b.openLink({ clientId: 1 });
    const effects = [send(link), send(link, { shard: 2 }, { shard: 2 })];
    await settle();
    expect(effects).toEqual([
      ['sent', 'error: NO_SUBSCRIBER not-executed'],
      ['sent', 'reply: b'],
    ]);
  });
});

describe('an announcement', () => {
  test('goes through the policy of the bus as any packet, from its node to each client that listens', async () => {
    const packets: string[] = [];
    let isLost = true;
    const policy = ({ from, to, bytes }: Packet): readonly number[] => {
      packets.push(`${from} to ${to}: ${bytes.length} bytes`);
      return isLost ? [] : [0];
    };
    const transport = memoryTransport({ bus: createMemoryBus({ policy }) });
    const heard: unknown[] = [];
    transport.openLink({ clientId: 1 });
    transport.openLink({ clientId: 2 }).onAnnouncement((from) => heard.push(from));
    transport.announce(SELF);
    await settle();
    expect(heard).toEqual([]);
    isLost = false;
    transport.announce(SELF);
    await settle();
    expect(heard).toEqual([SELF]);
    const one = `node:${SELF.nodeId}.${SELF.inc} to client:2: 0 bytes`;
    expect(packets).toEqual([one, one]);
  });

  test('does not reach a link that was closed before it listened', async () => {
    const transport = memoryTransport();
    const link = transport.openLink({ clientId: 1 });
    await link.close();
    const heard: unknown[] = [];
    link.onAnnouncement((from) => heard.push(from));
    transport.announce(SELF);
    await settle();
    expect(heard).toEqual([]);
  });
});
