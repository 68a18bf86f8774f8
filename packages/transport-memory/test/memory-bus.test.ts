import { systemClock } from '@clstr/core';
import { createFrameWriter, nodeAddress } from '@clstr/core/wire';
import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { createMemoryBus, memoryTransport } from '../src/index.ts';
import type { MemoryBus, MemoryBusOptions, Packet } from '../src/index.ts';
import type { Endpoint } from '../src/memory-bus.ts';
import { SELF, receiver, send, settle } from './wire.ts';

const refusal = (message: string): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

async function echo(options: MemoryBusOptions) {
  const bus = createMemoryBus(options);
  const transport = memoryTransport({ bus });
  const node = receiver(({ payload }) => payload);
  await transport.serve({ shard: 1 }, node, SELF);
  return { bus, transport, node, link: transport.openLink({ clientId: 5 }) };
}

describe('the options of createMemoryBus', () => {
  test.each([
    ['maxPayload', 63, 'from 64 to 2147483647, got 63'],
    ['maxPayload', 2 ** 31, 'got 2147483648'],
    ['maxPayload', NaN, 'got NaN'],
    ['policy', [0], 'a function, got an array'],
    ['clock', {}, 'monoMs'],
  ])('refuses the %s %o', (name, value, why) => {
    const options = { [name]: value } as unknown as MemoryBusOptions;
    expect(() => createMemoryBus(options)).toThrow(refusal(`^createMemoryBus: ${name} must be .*${why}`));
  });

  test('refuses an option that it does not know', () => {
    expect(() => createMemoryBus({ maxpayload: 5 } as MemoryBusOptions)).toThrow(
      refusal('^createMemoryBus: unknown option "maxpayload"; known: maxPayload, policy, clock'),
    );
  });

  test('are 1 MiB and the clock of the system when not given', () => {
    const bus = createMemoryBus();
    expect(bus.maxPayload).toBe(1_048_576);
    expect(bus.clock).toBe(systemClock);
  });

  test('clock stamps what arrives', async () => {
    const clock = fakeClock({ monoMs: 12_345 });
    const { node, link } = await echo({ clock });
    send(link);
    await settle();
    expect(node.arrivals[0]!.entry.receivedAtMs).toBe(12_345);
  });
});

describe('the network policy', () => {
  test('sees who sends what to whom', async () => {
    const packets: Packet[] = [];
    const { link } = await echo({
      policy: (packet) => {
        packets.push(packet);
        return [0];
      },
    });
    send(link);
    await settle();
    expect(packets.map(({ from, to }) => `${from} > ${to}`)).toEqual([
      'client:5 > node:n1.a',
      'node:n1.a > client:5',
    ]);
  });

  test('loses packets without an error for the sender', async () => {
    const { node, link } = await echo({ policy: () => [] });
    const effect = send(link);
    await settle();
    expect(effect).toEqual(['sent']);
    expect(node.arrivals).toEqual([]);
  });

  test('repeats packets: the second reply is reported', async () => {
    const { link, node } = await echo({ policy: ({ to }) => (to.startsWith('client') ? [0, 0] : [0]) });
    const duplicates: unknown[] = [];
    link.onDuplicateReply = (shard, from) => duplicates.push([shard, from]);
    expect(link.onDuplicateReply).toBeDefined();
    const effect = send(link);
    await settle();
    expect(node.arrivals).toHaveLength(1);
    expect(effect).toEqual(['sent', 'reply: hello']);
    expect(duplicates).toEqual([[1, SELF]]);
  });

  test('delays packets, which overtake none with the same delay', async () => {
    const clock = fakeClock();
    let delayMs = 30;
    const { node, link } = await echo({ clock, policy: ({ to }) => [to.startsWith('node') ? delayMs : 0] });
    send(link, { type: 'Slow' });
    await settle();
    delayMs = 10;
    send(link, { type: 'Fast' });
    send(link, { type: 'Faster' });
    await clock.advance(9);
    expect(node.arrivals).toEqual([]);
    await clock.advance(21);
    await settle();
    expect(node.arrivals.map(({ type }) => type)).toEqual(['Fast', 'Faster', 'Slow']);
  });
});

describe('work on the bus', () => {
  test('is done in order', async () => {
    const bus = createMemoryBus();
    const order: number[] = [];
    bus.enqueue({
      weight: 1,
      run() {
        order.push(1);
        bus.enqueue({ weight: 1, run: () => order.push(3) });
      },
    });
    bus.enqueue({ weight: 1, run: () => order.push(2) });
    expect(order).toEqual([]);
    await settle();
    expect(order).toEqual([1, 2, 3]);
  });

  test('lets timers and I/O have a turn after 256 entries', async () => {
    const yields: number[] = [];
    let done = 0;
    const clock = {
      ...systemClock,
      macrotask: (fn: () => void) => void (yields.push(done), setImmediate(fn)),
    };
    const bus = createMemoryBus({ clock });
    for (let i = 0; i < 600; i++) bus.enqueue({ weight: 1, run: () => done++ });
    await settle();
    expect(yields).toEqual([256, 512]);
    expect(done).toBe(600);
  });

  test('counts the entries that it handles, and never exceeds 256 of them in a row', async () => {
    const yields: number[] = [];
    let done = 0;
    const clock = {
      ...systemClock,
      macrotask: (fn: () => void) => void (yields.push(done), setImmediate(fn)),
    };
    const bus = createMemoryBus({ clock });
    for (let i = 0; i < 5; i++) bus.enqueue({ weight: 100, run: () => done++ });
    await settle();
    expect(yields).toEqual([2, 4]);
    expect(done).toBe(5);
  });

  test('that throws stops nothing else, and surfaces in a later turn', async () => {
    const thrown: (() => void)[] = [];
    const clock = { ...systemClock, macrotask: (fn: () => void) => void thrown.push(fn) };
    const bus = createMemoryBus({ clock });
    let isDone = false;
    const error = new Error('broken');
    bus.enqueue({
      weight: 1,
      run() {
        throw error;
      },
    });
    bus.enqueue({ weight: 1, run: () => (isDone = true) });
    await settle();
    expect(isDone).toBe(true);
    expect(thrown).toHaveLength(1);
    expect(thrown[0]).toThrow(error);
  });
});

describe('subjects', () => {
  const endpoint = (name: string, isShared = false): Endpoint => ({ name, isShared, deliver() {} });

  test('may have several listeners, each once, until they leave', () => {
    const bus = createMemoryBus();
    const [a, b] = [endpoint('a'), endpoint('b')];
    for (const one of [a, b, a]) bus.add('x.shard.1', one);
    expect([...bus.listenersOn('x.shard.1')]).toEqual([a, b]);
    expect(bus.listenersOn('x.shard.2').size).toBe(0);
    bus.remove('x.shard.1', a);
    bus.remove('x.shard.1', a);
    bus.remove('x.shard.2', a);
    expect([...bus.listenersOn('x.shard.1')]).toEqual([b]);
    bus.remove('x.shard.1', b);
    expect(bus.listenersOn('x.shard.1').size).toBe(0);
  });

  test('that are shared have one of their listeners at a time, each in its turn', () => {
    const bus = createMemoryBus();
    const [a, b] = [endpoint('a', true), endpoint('b', true)];
    for (const one of [a, b]) bus.add('x.topology', one);
    expect([1, 2, 3].map(() => [...bus.listenersOn('x.topology')])).toEqual([[a], [b], [a]]);
  });
});

test('the address of a node is that of one run of it', async () => {
  const transport = memoryTransport();
  await transport.serve(
    SELF,
    receiver(() => 'a'),
    SELF,
  );
  const link = transport.openLink({ clientId: 5 });
  const effects = [send(link, {}, { ...SELF }), send(link, {}, nodeAddress('n1', 'b'))];
  await settle();
  expect(effects).toEqual([
    ['sent', 'reply: a'],
    ['sent', 'error: NO_SUBSCRIBER not-executed'],
  ]);
});

describe('frames that nobody should send', () => {
  function frameOf(write: (writer: ReturnType<typeof createFrameWriter>) => void): Uint8Array {
    const writer = createFrameWriter();
    write(writer);
    return writer.take();
  }

  /** Sends to whoever listens on a subject of the bus. */
  function inject(bus: MemoryBus, subject: string, data: Uint8Array, reply?: string): void {
    for (const endpoint of bus.listenersOn(subject)) bus.transmit('x', endpoint, { data, subject, reply }, 1);
  }

  test('do nothing to a node: replies, garbage', async () => {
    const { bus, node } = await echo({});
    const cut = frameOf((writer) => writer.cancel(1, 2));
    for (const data of [
      frameOf((writer) => writer.reply(1, 'x', false)),
      Uint8Array.of(1, 2, 3),
      cut.subarray(0, cut.length - 1),
    ])
      inject(bus, 'memory.shard.1', data, 'client.7.1');
    await settle();
    expect(node.arrivals).toEqual([]);
    expect(node.cancels).toEqual([]);
  });

  test('do nothing to a client: cancels, unknown replies', async () => {
    const { bus, transport } = await echo({});
    bus.add('memory.shard.9', { name: 'catcher', isShared: false, deliver() {} });
    const effect = send(transport.openLink({ clientId: 6 }), { shard: 9 }, { shard: 9 });
    await settle();
    for (const data of [
      frameOf((writer) => writer.cancel(6, 1)),
      frameOf((writer) => writer.reply(999_999, 'x', false)),
    ])
      inject(bus, 'client.6', data, 'memory.node.n1.a');
    await settle();
    expect(effect).toEqual(['sent']);
  });
});
