import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import { TIMINGS, silenceLimit } from '../../src/cluster/timing.ts';
import { nodeAddress } from '../../src/wire/address.ts';
import type { ProbeListener } from '../../src/node/probe.ts';
import { NodeReach } from '../../src/node/reach.ts';
import type { Reach } from '../../src/cluster/shards.ts';
import type { ReachOptions } from '../../src/node/reach.ts';
import type { Address } from '../../src/wire/transport.ts';
import { skewedClock } from '../cluster/skewed-clock.ts';
import { recordLog } from '@clstr/testing/internal';

const timing = TIMINGS.fast;
const { heartbeatMs, leaseMs } = timing;
const LIMIT_MS = silenceLimit(timing);
const SELF = nodeAddress('n1', 'run')!;
const nobody = new ClstrError('NO_SUBSCRIBER', 'nobody listens');

interface Asked {
  readonly address: Address;
  readonly inc: string;
  readonly listener: ProbeListener;
}

function create(more: Partial<ReachOptions> = {}) {
  const clock = fakeClock({ monoMs: 1_000_000 });
  const logger = recordLog();
  /** What becomes of a probe of an address: undefined for silence. */
  const bus = {
    answer: (_address: Address): 'answer' | ClstrError | undefined => 'answer',
    open: new Map<number, Asked>(),
    asked: [] as Address[],
    served: [] as Address[],
    isClosed: false,
  };
  const world = { isCounting: true, inbound: 0, shards: [1, 2], isAway: false };
  const changes: [Reach, string][] = [];
  let attempts = 0;
  const reach = new NodeReach({
    nodeId: 'n1',
    timing,
    clock,
    logger,
    probe: {
      open: () => undefined,
      ask: (address, inc, listener) => {
        const attempt = ++attempts;
        bus.asked.push(address);
        bus.open.set(attempt, { address, inc, listener });
        const effect = bus.answer(address);
        if (effect !== undefined) {
          queueMicrotask(() => {
            if (bus.open.delete(attempt)) listener(effect === 'answer' ? undefined : effect);
          });
        }
        return attempt;
      },
      forget: (attempt) => bus.open.delete(attempt),
      close: async () => {
        bus.isClosed = true;
      },
    },
    isCounting: () => world.isCounting,
    inbound: () => world.inbound,
    shards: () => world.shards,
    serveAgain: async (address) => {
      bus.served.push(address);
    },
    isAway: () => world.isAway,
    onChange: (next, reason) => changes.push([next, reason]),
    ...more,
  });
  return { reach, clock, logger, bus, world, changes };
}

/** A node that has begun to ask itself. */
async function begin(more: Partial<ReachOptions> = {}) {
  const created = create(more);
  created.reach.begin(SELF);
  await created.clock.advance(2 * heartbeatMs);
  return created;
}

const silence = (): undefined => undefined;
const answer = (): 'answer' => 'answer';

describe('a node that probes itself', () => {
  test('stays reached while it answers', async () => {
    const { reach, clock, changes, bus } = await begin();
    await clock.advance(20 * leaseMs);
    expect([reach.reach, changes, bus.open.size]).toEqual(['reached', [], 0]);
  });

  test('is in doubt after half of the limit without an answer, and lost after all of it', async () => {
    const { clock, changes, bus } = await begin();
    bus.answer = silence;
    await clock.advance(LIMIT_MS / 2 + 2 * heartbeatMs);
    expect(changes.map(([next]) => next)).toEqual(['doubted']);
    await clock.advance(LIMIT_MS / 2);
    expect(changes.map(([next]) => next)).toEqual(['doubted', 'lost']);
    expect(changes[1]![1]).toMatch(/^no answer on its own subject for 1\d\d\d ms$/);
  });

  test('says with which error its probes end', async () => {
    const { clock, changes, bus } = await begin();
    bus.answer = () => new ClstrError('CONNECTION_LOST', 'it broke');
    await clock.advance(LIMIT_MS + heartbeatMs);
    expect(changes.at(-1)![1]).toContain('(CONNECTION_LOST: it broke)');
  });

  test('is reached after one late answer to any probe', async () => {
    const { clock, reach, bus } = await begin();
    bus.answer = silence;
    await clock.advance(LIMIT_MS - heartbeatMs);
    expect(reach.reach).toBe('doubted');
    const [first] = bus.open.values();
    first!.listener(undefined);
    expect(reach.reach).toBe('reached');
  });

  test('forgets its oldest probes, so that few wait at a time', async () => {
    const { clock, bus } = await begin();
    bus.answer = silence;
    await clock.advance(100 * heartbeatMs);
    expect([...bus.open.values()].filter(({ address }) => address === SELF)).toHaveLength(16);
  });

  test('has twice the time while messages of others arrive', async () => {
    const { clock, reach, bus, world } = await begin();
    bus.answer = silence;
    for (let i = 0; i < 8; i++) {
      world.inbound++;
      await clock.advance(heartbeatMs);
    }
    expect(reach.reach).toBe('doubted');
    for (let i = 0; i < 4; i++) {
      world.inbound++;
      await clock.advance(heartbeatMs);
    }
    expect(reach.reach).toBe('lost');
  });

  test('counts no silence while its store is silent too', async () => {
    const { clock, changes, bus, world } = await begin();
    bus.answer = silence;
    await clock.advance(LIMIT_MS / 3);
    world.isCounting = false;
    await clock.advance(10 * leaseMs);
    world.isCounting = true;
    await clock.advance(LIMIT_MS / 3);
    expect(changes).toEqual([]);
  });

  test('serves its address again when nobody listens there', async () => {
    const { clock, bus } = await begin();
    bus.answer = () => nobody;
    await clock.advance(heartbeatMs);
    expect(bus.served).toContainEqual(SELF);
  });

  test('probes the address of its newest run only', async () => {
    const { clock, reach, bus } = await begin();
    bus.answer = silence;
    await clock.advance(heartbeatMs);
    const [old] = bus.open.values();
    reach.begin(nodeAddress('n1', 'next')!);
    expect([...bus.open.values()].map(({ inc }) => inc)).toEqual(['next']);
    old!.listener(undefined);
    await clock.advance(LIMIT_MS + heartbeatMs);
    expect(reach.reach).toBe('lost');
  });

  test('sends no probe after its end', async () => {
    const { clock, reach, bus } = await begin();
    await reach.close();
    bus.asked.length = 0;
    reach.begin(SELF);
    await clock.advance(10 * heartbeatMs);
    expect([bus.asked, bus.isClosed, clock.timerCount]).toEqual([[], true, 0]);
  });

  test('that may not send probes counts as reached, and logs that once', async () => {
    const { reach, clock, bus, changes, logger } = create();
    bus.answer = () => new ClstrError('NO_PERMISSION', 'may not publish');
    await reach.prove([SELF, { shard: 1 }], SELF);
    reach.begin(SELF);
    await clock.advance(10 * leaseMs);
    expect(changes).toEqual([]);
    expect(logger.lines.map(({ message }) => message)).toEqual([
      expect.stringContaining('node n1 may not send to its own subjects'),
    ]);
  });

  test('that was answered once and then may not send probes is lost', async () => {
    const { clock, bus, reach } = await begin();
    bus.answer = () => new ClstrError('NO_PERMISSION', 'may not publish');
    await clock.advance(LIMIT_MS + heartbeatMs);
    expect(reach.reach).toBe('lost');
  });
});

describe('a loop that was blocked', () => {
  test('for half a lease, again and again, does not count as silence', async () => {
    const clock = skewedClock();
    const { reach, bus, changes } = create({ clock });
    reach.begin(SELF);
    for (let i = 0; i < 50; i++) {
      // What was sent before the pause is answered after the timers that came due in it.
      bus.answer = silence;
      await clock.advance(heartbeatMs);
      clock.pause(leaseMs / 2);
      await clock.advance(1);
      bus.answer = answer;
      for (const { listener } of [...bus.open.values()]) listener(undefined);
    }
    expect(changes).toEqual([]);
  });
});

describe('a node that was lost', () => {
  async function lost() {
    const created = await begin();
    created.bus.answer = silence;
    await created.clock.advance(LIMIT_MS + heartbeatMs);
    expect(created.reach.reach).toBe('lost');
    return created;
  }

  test('is reached at its next heartbeat when it has kept its shards', async () => {
    const { clock, reach, bus } = await lost();
    bus.answer = answer;
    await clock.advance(2 * heartbeatMs);
    expect(reach.reach).toBe('reached');
  });

  test('must be reached for a lease when it has given them away', async () => {
    const { clock, reach, bus, world } = await lost();
    world.isAway = true;
    bus.answer = answer;
    await clock.advance(leaseMs - heartbeatMs);
    expect(reach.reach).toBe('lost');
    await clock.advance(3 * heartbeatMs);
    expect(reach.reach).toBe('reached');
  });

  test('begins that time anew when an answer stays away', async () => {
    const { clock, reach, bus, world } = await lost();
    world.isAway = true;
    for (let i = 0; i < 10; i++) {
      bus.answer = answer;
      await clock.advance(leaseMs / 2);
      bus.answer = silence;
      await clock.advance(2 * heartbeatMs);
    }
    expect(reach.reach).toBe('lost');
  });

  test('stays away for twice as long after each loss that follows soon', async () => {
    const { clock, reach, bus, world } = await lost();
    world.isAway = true;
    const awayMs: number[] = [];
    for (let i = 0; i < 9; i++) {
      bus.answer = answer;
      const fromMs = clock.monoMs();
      while (reach.reach === 'lost') await clock.advance(heartbeatMs);
      awayMs.push(Math.round((clock.monoMs() - fromMs) / leaseMs));
      bus.answer = silence;
      await clock.advance(LIMIT_MS + 2 * heartbeatMs);
    }
    expect(awayMs).toEqual([1, 2, 4, 8, 16, 32, 64, 64, 64]);
  });
});

describe('the shards of a node', () => {
  const asked = ({ bus }: { bus: { asked: Address[] } }, shard: number): number =>
    bus.asked.filter((address) => 'shard' in address && address.shard === shard).length;

  test('are probed when they are new, and in turn', async () => {
    const created = create();
    created.world.shards = Array.from({ length: 100 }, (_, i) => i);
    created.reach.begin(SELF);
    created.reach.onServed(77);
    await created.clock.advance(heartbeatMs);
    expect([asked(created, 77), asked(created, 99)]).toEqual([1, 0]);
    await created.clock.advance(Math.ceil(100 / 16) * heartbeatMs);
    expect(asked(created, 99)).toBe(1);
  });

  test('without a subscriber are served once more, and then make the node lost, which names them', async () => {
    const { clock, bus, changes } = await begin();
    bus.answer = (address) => ('shard' in address && address.shard === 2 ? nobody : 'answer');
    await clock.advance(heartbeatMs);
    expect(bus.served).toEqual([{ shard: 2 }]);
    await clock.advance(LIMIT_MS + 3 * heartbeatMs);
    expect(changes.map(([next]) => next)).toEqual(['doubted', 'lost']);
    expect(changes.at(-1)![1]).toBe(
      'messages do not reach 1 of its 2 shards on their subjects (the first is 2, NO_SUBSCRIBER: nobody listens)',
    );
  });

  test('that recover, or go elsewhere, make it reached again', async () => {
    const { clock, bus, reach, world } = await begin();
    bus.answer = (address) => ('shard' in address && address.shard === 2 ? nobody : 'answer');
    await clock.advance(2 * LIMIT_MS);
    expect(reach.reach).toBe('lost');
    world.shards = [1];
    await clock.advance(3 * heartbeatMs);
    expect(reach.reach).toBe('reached');
  });

  test('that the bus refused are missing until a probe comes back', async () => {
    const { clock, reach, bus } = await begin();
    bus.answer = (address) => ('shard' in address ? nobody : 'answer');
    reach.onRefused(1, new ClstrError('NO_PERMISSION', 'may not subscribe'));
    await clock.advance(LIMIT_MS + heartbeatMs);
    expect(reach.reach).toBe('lost');
    bus.answer = answer;
    await clock.advance(2 * heartbeatMs);
    expect(reach.reach).toBe('reached');
  });

  test('whose probes are lost are not missing, as long as others come back', async () => {
    const { clock, bus, reach } = await begin();
    let state = 1;
    const next = (): number => (state = (state * 48_271) % 0x7fff_ffff) / 0x7fff_ffff;
    bus.answer = (address) => ('shard' in address && next() < 0.2 ? undefined : 'answer');
    await clock.advance(20 * leaseMs);
    expect(reach.reach).toBe('reached');
  });

  test('that stay silent while the node answers make it lost', async () => {
    const { clock, bus, reach } = await begin();
    bus.answer = (address) => ('shard' in address && address.shard === 2 ? undefined : 'answer');
    await clock.advance(20 * heartbeatMs);
    expect(reach.reach).toBe('lost');
  });
});

describe('the proof at the start', () => {
  const addresses = [SELF, { shard: 1 }, { shard: 2 }];

  test('is given when each address has answered', async () => {
    const { reach, bus } = create();
    await reach.prove(addresses, SELF);
    expect(bus.asked).toEqual(addresses);
  });

  test('serves an address without a subscriber once more, and fails with the reason', async () => {
    const { reach, bus } = create();
    bus.answer = (address) => ('shard' in address ? nobody : 'answer');
    await expect(reach.prove(addresses, SELF)).rejects.toMatchObject({
      code: 'NO_SUBSCRIBER',
      message: expect.stringMatching(/^node n1 cannot be reached for 2 of its 2 shards \(the first is 1\): /),
    });
    expect(bus.served).toEqual([{ shard: 1 }, { shard: 2 }]);
  });

  test('waits for a late answer, but not for ever', async () => {
    const { reach, bus, clock } = create();
    bus.answer = silence;
    const late = reach.prove([SELF], SELF);
    await clock.advance(LIMIT_MS / 2);
    bus.answer = answer;
    await clock.advance(LIMIT_MS / 2);
    await late;
    bus.answer = silence;
    const never = reach.prove([SELF], SELF).catch((error: unknown) => error);
    await clock.advance(LIMIT_MS + 2 * heartbeatMs);
    expect(await never).toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('node n1 cannot be reached on its own subject'),
    });
    expect(bus.open.size).toBe(0);
  });

  test('fails at once when the transport is closed', async () => {
    const { reach, bus } = create();
    bus.answer = () => new ClstrError('TRANSPORT_CLOSED', 'closed');
    await expect(reach.prove([SELF], SELF)).rejects.toMatchObject({ code: 'TRANSPORT_CLOSED' });
  });
});
