import { actorHandler } from '@clstr/actors';
import type { ActorHandler } from '@clstr/actors';
import { ClstrError } from '@clstr/core';
import { asRefusal } from '@clstr/core/handler';
import type { WatchedActors, HandlerContext, HandlerRequest, ShardLease } from '@clstr/core';
import { fakeClock } from '@clstr/testing';
import type { FakeClock } from '@clstr/testing';
import { processorGrowth } from '@clstr/testing/internal';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Cell, cell } from './cell.ts';
import type { CellScript } from './cell.ts';

const LIMIT_MS = 1_000;
/** How long what was lost may take to come to rest. */
const REST_MS = 2_000;

/** The stay of a node with its shard, which the test ends. */
class FakeLease implements ShardLease {
  readonly epoch: number;
  isHeld = true;

  constructor(epoch: number) {
    this.epoch = epoch;
  }

  get fencingToken(): number {
    if (this.isHeld) return this.epoch;
    throw new ClstrError('FENCED', 'the shard may have another owner');
  }
}

interface Sent {
  readonly answer: Promise<unknown>;
  /** What the node was told to answer before the handler saw the message. */
  readonly refusals: ClstrError[];
  /** The node ends the message. */
  abort(reason: ClstrError): void;
}

interface Host {
  readonly clock: FakeClock;
  readonly handler: ActorHandler;
  readonly active: Pick<ReadonlyMap<string, number>, 'get'>;
  send(key: string, input: string, lease: FakeLease, more?: Partial<HandlerRequest>): Sent;
  settled(): Promise<void>;
}

/** The actors of one node, without the node. Key `a…` is in shard 1, others are in shard 2. */
function host(script: CellScript): Host {
  const clock = fakeClock();
  let readings!: WatchedActors;
  const handler = actorHandler([script.actor], {
    clock,
    metrics: { watchActors: (actors) => void (readings = actors) },
  });
  const send: Host['send'] = (key, input, lease, more) => {
    const request: HandlerRequest = {
      key,
      shard: key.startsWith('a') ? 1 : 2,
      type: `${Cell.name}.write`,
      payload: input,
      headers: {},
      isNotify: false,
      callChain: [],
      ...more,
    };
    const refusals: ClstrError[] = [];
    const controller = new AbortController();
    const context: HandlerContext = {
      signal: controller.signal,
      nodeId: 'n1',
      lease,
      onAbort: undefined,
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      refuse: (error) => void refusals.push(error),
      started: () => undefined,
      remainingMs: () => 60_000,
    };
    const answer = (async () => handler(request, context))().catch((error: unknown) => {
      const { code, outcome } = error as ClstrError;
      return { code, outcome };
    });
    const abort = (reason: ClstrError): void => {
      context.onAbort?.(reason);
      controller.abort(reason);
    };
    return { answer, refusals, abort };
  };
  const active: Host['active'] = { get: (name) => readings.active().get(name) };
  return { clock, handler, active, send, settled: () => clock.advance(0) };
}

const moved = (): ClstrError => asRefusal(new ClstrError('MOVED', 'on its way'));
const MOVED = { code: 'MOVED', outcome: 'not-executed' };

describe('release of a shard', () => {
  test('passivates its actors, saved, and no others', async () => {
    const script = cell();
    const { handler, send, active } = host(script);
    const lease = new FakeLease(1);
    await Promise.all(['a1', 'a2', 'b1'].map((key) => send(key, key, lease).answer));
    expect(active.get('cell')).toBe(3);
    await handler.handOver!(1, moved(), LIMIT_MS);
    expect(active.get('cell')).toBe(1);
    expect(script.events.filter((event) => event === '+passivate')).toHaveLength(2);
    expect(script.context('passivate').reason).toBe('drain');
    await send('b1', 'again', lease).answer;
    expect(script.setups).toBe(3);
  });

  test('refuses waiting messages with the given error, lets running ones end, then saves', async () => {
    const script = cell();
    const { handler, send, settled } = host(script);
    const lease = new FakeLease(1);
    await send('a', 'first', lease).answer;
    const gate = script.hold('long');
    const running = send('a', 'long', lease);
    const waiting = [send('a', 'x', lease), send('a', 'y', lease)];
    const handedOver = handler.handOver!(1, moved(), LIMIT_MS);
    expect(await Promise.all(waiting.map(({ answer }) => answer))).toEqual([MOVED, MOVED]);
    await settled();
    expect(script.events).not.toContain('+passivate');
    gate.resolve();
    expect(await running.answer).toBe('long');
    await handedOver;
    expect(script.events.slice(-2)).toEqual(['+passivate', '-passivate']);
    expect(script.state().written).toEqual(['first', 'long']);
  });

  test('waits no longer than its limit: actors that do not come to rest are dropped unsaved', async () => {
    const script = cell();
    const { handler, send, clock, active } = host(script);
    await send('a', 'first', new FakeLease(1)).answer;
    script.hold('long');
    void send('a', 'long', new FakeLease(1)).answer;
    const handedOver = handler.handOver!(1, moved(), LIMIT_MS);
    await clock.advance(LIMIT_MS);
    await handedOver;
    expect(script.events).not.toContain('+passivate');
    expect(script.context('discard').reason).toBe('failed');
    expect(active.get('cell')).toBe(0);
  });

  test('of a shard without actors is done at once', async () => {
    const { handler } = host(cell());
    await handler.handOver!(7, moved(), LIMIT_MS);
  });
});

describe('discard of a shard', () => {
  test('drops its actors unsaved, and no others', async () => {
    const script = cell();
    const { handler, send, settled, active } = host(script);
    const lease = new FakeLease(1);
    await Promise.all(['a1', 'a2', 'b1'].map((key) => send(key, key, lease).answer));
    void handler.drop!(1, moved());
    await settled();
    expect(active.get('cell')).toBe(1);
    expect(script.events.filter((event) => event.startsWith('+')).slice(-2)).toEqual([
      '+discard',
      '+discard',
    ]);
    expect(script.events).not.toContain('+passivate');
    expect(script.context('discard').reason).toBe('lost-ownership');
  });

  test('refuses waiting messages, and fires the signal of the actor’s life at once', async () => {
    const script = cell();
    const { handler, send, settled } = host(script);
    const lease = new FakeLease(1);
    await send('a', 'first', lease).answer;
    const { signal } = script.context('setup');
    const gate = script.hold('long');
    void send('a', 'long', lease).answer;
    const waiting = send('a', 'x', lease);
    void handler.drop!(1, moved());
    expect(signal.reason).toMatchObject({ code: 'FENCED' });
    expect(await waiting.answer).toEqual(MOVED);
    await settled();
    expect(script.events).not.toContain('+discard');
    gate.resolve();
    await settled();
    expect(script.events.slice(-2)).toEqual(['+discard', '-discard']);
    expect(script.events).not.toContain('+x');
  });

  test('does not wait for ever for running handlers', async () => {
    const script = cell();
    const { handler, send, clock, active } = host(script);
    await send('a', 'first', new FakeLease(1)).answer;
    script.hold('long');
    void send('a', 'long', new FakeLease(1)).answer;
    void handler.drop!(1, moved());
    await clock.advance(REST_MS);
    expect(script.context('discard').reason).toBe('lost-ownership');
    expect(active.get('cell')).toBe(0);
  });

  test('while setup runs gives the state of the old lease to no message of the next one', async () => {
    const script = cell();
    const { handler, send, settled, clock } = host(script);
    const [first, next] = [new FakeLease(1), new FakeLease(3)];
    const gate = script.hold('setup');
    const early = send('a', 'early', first);
    await settled();
    first.isHeld = false;
    void handler.drop!(1, moved());
    expect(await early.answer).toEqual(MOVED);
    const late = send('a', 'late', next);
    gate.resolve();
    await clock.advance(REST_MS);
    // Not on the state that was read before another node wrote: refused, and repeated by its sender.
    expect(await late.answer).toEqual(MOVED);
    expect(script.events).not.toContain('+late');
    expect(await send('a', 'again', next).answer).toBe('again');
    expect([script.setups, script.state().written]).toEqual([2, ['again']]);
  });

  test('while passivate runs lets the messages of the next lease begin a new life, and leaves that alone', async () => {
    const script = cell();
    const { handler, send, settled, clock, active } = host(script);
    const [first, next] = [new FakeLease(1), new FakeLease(3)];
    await send('a', 'first', first).answer;
    const gate = script.hold('passivate');
    script.context('first').passivate();
    await settled();
    first.isHeld = false;
    void handler.drop!(1, moved());
    const late = send('a', 'late', next);
    gate.resolve();
    expect(await late.answer).toBe('late');
    await clock.advance(REST_MS);
    expect(script.events).not.toContain('+discard');
    expect([active.get('cell'), script.state()]).toEqual([1, { life: 2, written: ['late'] }]);
    script.context('late').passivate();
    await settled();
    expect(active.get('cell')).toBe(0);
  });

  test('of an actor whose passivate fails drops it all the same', async () => {
    const script = cell();
    const { handler, send, settled, clock, active } = host(script);
    await send('a', 'first', new FakeLease(1)).answer;
    const gate = script.hold('passivate');
    script.context('first').passivate();
    await settled();
    void handler.drop!(1, moved());
    gate.reject(new Error('disk full'));
    await clock.advance(REST_MS);
    expect(script.context('discard').reason).toBe('lost-ownership');
    expect(active.get('cell')).toBe(0);
  });
});

describe('the epoch and the fencing token', () => {
  test('are those of the lease the message was admitted in', async () => {
    const script = cell();
    const { send } = host(script);
    await send('a', 'x', new FakeLease(7)).answer;
    for (const step of ['setup', 'x']) {
      expect([script.context(step).epoch, script.context(step).fencingToken]).toEqual([7, 7]);
    }
  });

  test('throws FENCED once the shard may have another owner; the epoch stays', async () => {
    const script = cell();
    const { send } = host(script);
    const lease = new FakeLease(7);
    await send('a', 'x', lease).answer;
    lease.isHeld = false;
    expect(() => script.context('x').fencingToken).toThrow(expect.objectContaining({ code: 'FENCED' }));
    expect(script.context('x').epoch).toBe(7);
  });

  test('of a handler that outlived its lease stay the old ones when the node has the shard again', async () => {
    const script = cell();
    const { handler, send, clock } = host(script);
    const [first, next] = [new FakeLease(1), new FakeLease(3)];
    await send('a', 'start', first).answer;
    script.hold('zombie');
    void send('a', 'zombie', first).answer;
    const zombie = script.context('zombie');
    first.isHeld = false;
    void handler.drop!(1, moved());
    await clock.advance(REST_MS);
    await send('a', 'next', next).answer;
    expect([script.context('next').epoch, script.context('next').fencingToken]).toEqual([3, 3]);
    expect(zombie.epoch).toBe(1);
    expect(() => zombie.fencingToken).toThrow(expect.objectContaining({ code: 'FENCED' }));
  });

  test('are undefined in a static cluster', async () => {
    const script = cell();
    const { send } = host(script);
    await send('a', 'x', undefined as unknown as FakeLease).answer;
    expect([script.context('x').epoch, script.context('x').fencingToken]).toEqual([undefined, undefined]);
  });
});

describe('a timer', () => {
  test('does not run while the shard is not held, and goes on when it is again', async () => {
    const script = cell();
    const { send, clock } = host(script);
    const lease = new FakeLease(1);
    await send('a', 'x', lease).answer;
    const at: number[] = [];
    script.context('x').every(100, () => void at.push(clock.monoMs()));
    await clock.advance(150);
    lease.isHeld = false;
    await clock.advance(300);
    expect(at).toEqual([100]);
    lease.isHeld = true;
    await clock.advance(100);
    expect(at).toEqual([100, 500]);
  });

  test.each(['after', 'every'] as const)(
    'set by %s that falls due while the lease is expired runs right after it, once, and the actor stays until then',
    async (kind) => {
      const script = cell({ idleMs: 1_000 });
      const { send, clock, active } = host(script);
      const lease = new FakeLease(1);
      await send('a', 'x', lease).answer;
      const at: number[] = [];
      script.context('x')[kind](3_600, () => void at.push(clock.monoMs()));
      if (kind === 'every') script.context('x').after(10_000, () => undefined);
      lease.isHeld = false;
      await clock.advance(8_000);
      expect([at, active.get('cell')]).toEqual([[], 1]);
      lease.isHeld = true;
      await clock.advance(100);
      expect(at).toHaveLength(1);
      await clock.advance(1_500);
      expect(at).toHaveLength(1);
    },
  );

  test('of an actor that was discarded never runs again', async () => {
    const script = cell();
    const { handler, send, clock } = host(script);
    await send('a', 'x', new FakeLease(1)).answer;
    let ticks = 0;
    script.context('x').every(100, () => ticks++);
    void handler.drop!(1, moved());
    await clock.advance(1_000);
    expect(ticks).toBe(0);
  });
});

describe('a message that waits in a mailbox', () => {
  test('across an expiry of the lease is NOT_OWNER, not executed, when its turn comes', async () => {
    const script = cell();
    const { send } = host(script);
    const lease = new FakeLease(1);
    await send('a', 'first', lease).answer;
    const gate = script.hold('long');
    void send('a', 'long', lease).answer;
    const waiting = send('a', 'x', lease);
    lease.isHeld = false;
    gate.resolve();
    expect(await waiting.answer).toEqual({ code: 'NOT_OWNER', outcome: 'not-executed' });
    expect(script.events).not.toContain('+x');
  });

  test('is refused as NOT_OWNER, not executed, when its node says that the lease is over', async () => {
    const script = cell();
    const { send, settled } = host(script);
    const lease = new FakeLease(1);
    await send('a', 'first', lease).answer;
    const gate = script.hold('long');
    void send('a', 'long', lease).answer;
    const waiting = send('a', 'x', lease);
    waiting.abort(new ClstrError('FENCED', 'the lease is over'));
    expect(waiting.refusals).toMatchObject([{ code: 'NOT_OWNER', outcome: 'not-executed' }]);
    expect(await waiting.answer).toEqual({ code: 'NOT_OWNER', outcome: 'not-executed' });
    gate.resolve();
    await settled();
    expect(script.events).not.toContain('+x');
  });
});

describe('many actors', () => {
  const lost = (): ClstrError => asRefusal(new ClstrError('NOT_OWNER', 'lost'));

  async function filled(script: CellScript) {
    const own = host(script);
    const lease = new FakeLease(1);
    await Promise.all(Array.from({ length: 600 }, (_, i) => own.send(`a${i}`, 'x', lease).answer));
    return { ...own, lease };
  }

  test('that are lost end in slices: other work gets its turn in between', async () => {
    const script = cell();
    const { handler, settled, lease, active } = await filled(script);
    lease.isHeld = false;
    const dropped = handler.drop!(1, lost());
    for (let i = 0; i < 20; i++) await Promise.resolve();
    expect(script.events.filter((event) => event === '+discard')).toHaveLength(256);
    await settled();
    await dropped;
    expect(script.events.filter((event) => event === '+discard')).toHaveLength(600);
    expect(active.get('cell')).toBe(0);
  });

  test('save nothing while another node may own their shard, until they are discarded', async () => {
    const script = cell({ idleMs: 1_000 });
    const { handler, settled, lease, clock, active } = await filled(script);
    lease.isHeld = false;
    await clock.advance(5_000);
    expect(script.events).not.toContain('+passivate');
    void handler.drop!(1, lost());
    await settled();
    expect(script.events).not.toContain('+passivate');
    expect(active.get('cell')).toBe(0);
  });

  test('that were idle while the lease was over leave once it is renewed', async () => {
    const script = cell({ idleMs: 1_000 });
    const { lease, clock, active } = await filled(script);
    lease.isHeld = false;
    await clock.advance(5_000);
    lease.isHeld = true;
    await clock.advance(1_000);
    expect(script.events.filter((event) => event === '+passivate')).toHaveLength(600);
    expect(active.get('cell')).toBe(0);
  });

  test.each([
    ['released', (handler: ActorHandler, shard: number) => handler.handOver!(shard, moved(), LIMIT_MS)],
    ['discarded', (handler: ActorHandler, shard: number) => handler.drop!(shard, lost())],
  ])('are %s shard by shard in time that is in proportion', async (_, end) => {
    const fill = async (count: number) => {
      const handler = actorHandler([cell().actor], { cacheSize: count });
      onTestFinished(() => handler.close());
      for (let i = 0; i < count; i++) {
        const request = { ...REQUEST, key: `k${i}`, shard: i % (count / 4) };
        await handler(request, contextOf(new FakeLease(1)));
      }
      return { handler, shards: count / 4 };
    };
    const growth = await processorGrowth(1_000, fill, async ({ handler, shards }) => {
      for (let shard = 0; shard < shards; shard++) await end(handler, shard);
    });
    expect(growth).toBeLessThan(4);
  });

  test('end with their node in time that is in proportion, and in slices', async () => {
    const fill = async (count: number) => {
      const handler = actorHandler([cell().actor], { cacheSize: count });
      for (let i = 0; i < count; i++)
        await handler({ ...REQUEST, key: `k${i}` }, contextOf(new FakeLease(1)));
      return handler;
    };
    expect(await processorGrowth(1_000, fill, (handler) => handler.close())).toBeLessThan(4);
  });
});

const REQUEST: HandlerRequest = {
  key: 'k',
  shard: 1,
  type: `${Cell.name}.write`,
  payload: 'x',
  headers: {},
  isNotify: false,
  callChain: [],
};

function contextOf(lease: FakeLease): HandlerContext {
  return {
    signal: new AbortController().signal,
    nodeId: 'n1',
    lease,
    onAbort: undefined,
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    refuse: () => undefined,
    started: () => undefined,
    remainingMs: () => 60_000,
  };
}
