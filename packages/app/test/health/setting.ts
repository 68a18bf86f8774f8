/** An app of a dynamic cluster in memory, on a clock that stands still, whose parts a test can cut off. */
import type { Transport } from '@clstr/core';
import { TIMINGS } from '@clstr/core';
import { fakeClock } from '@clstr/testing';
import type { FakeClock } from '@clstr/testing';
import {
  createMemoryBus,
  createMemoryStore,
  memoryMembership,
  memoryTransport,
} from '@clstr/transport-memory';
import type { MemoryStore } from '@clstr/transport-memory';
import { onTestFinished } from 'vitest';
import { createApp } from '../../src/app.ts';
import type { App } from '../../src/app.ts';
import type { Health } from '../../src/health/health.ts';
import type { HealthCode } from '../../src/health/reasons.ts';
import type { AppOptions } from '../../src/options.ts';
import { createGreeter } from '../greeter.ts';
import type { GreeterUnderTest } from '../greeter.ts';

export const timing: (typeof TIMINGS)['fast'] = TIMINGS.fast;
export const NUM_SHARDS = 16;

/** Where apps of one cluster meet. */
export interface Place {
  readonly clock: FakeClock;
  readonly store: MemoryStore;
  /** What the store loses: the operations of a node, such as `n1`, or those on some keys, such as `n1 s.`. */
  readonly unanswered: Set<string>;
  /** The nodes and clients that no message reaches or leaves. */
  readonly silent: Set<string>;
  start(nodeId: string, options?: Partial<AppOptions>): Starting;
}

export interface Starting {
  readonly greeter: GreeterUnderTest;
  readonly connection: Connection;
  readonly health: () => Health;
  /** Resolves when the app has started; advances the clock until then. */
  readonly app: () => Promise<App>;
}

/** The state of a transport, in a test's hand. */
export interface Connection {
  become(state: 'connected' | 'disconnected'): void;
}

export function place(): Place {
  const clock = fakeClock();
  const silent = new Set<string>();
  const isSilent = (name: string): boolean => [...silent].some((part) => name.includes(part));
  const policy = ({ from, to }: { from: string; to: string }): readonly number[] =>
    isSilent(from) || isSilent(to) ? [] : [0];
  const bus = createMemoryBus({ clock, policy });
  const unanswered = new Set<string>();
  const store = createMemoryStore({
    clock,
    provision: { numShards: NUM_SHARDS },
    policy: {
      onOperation: ({ member, key }) => {
        const isLost = [...unanswered].some((start) => `${member} ${key ?? ''}`.startsWith(start));
        return { request: isLost ? 'lost' : 0 };
      },
    },
  });
  return {
    clock,
    store,
    unanswered,
    silent,
    start(nodeId, options = {}) {
      const greeter = createGreeter();
      const [transport, connection] = controlled(memoryTransport({ bus }));
      let health: (() => Health) | undefined;
      const starting = createApp({
        transport: () => transport,
        membership: memoryMembership({ store, member: nodeId, clock }),
        nodeId,
        numShards: NUM_SHARDS,
        actors: [greeter.actor],
        clock,
        signals: [],
        logger: false,
        health: { follow: (given) => (health = given) },
        ...options,
      });
      starting.catch(() => undefined);
      const app = async (): Promise<App> => {
        const started = await advanceUntil(clock, starting);
        onTestFinished(async () => {
          silent.clear();
          unanswered.clear();
          store.restore(nodeId);
          await advanceUntil(clock, started.close());
        });
        return started;
      };
      return { greeter, connection, health: () => health!(), app };
    },
  };
}

export const codesOf = ({ reasons }: Health): HealthCode[] => reasons.map(({ code }) => code);

/** Lets time pass until the promise settles. */
async function advanceUntil<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  const progress = { isOver: false };
  const end = (): void => void (progress.isOver = true);
  work.then(end, end);
  while (!progress.isOver) await clock.advance(20);
  return work;
}

/** The transport with a state and listeners of its own. */
function controlled(transport: Transport): [Transport, Connection] {
  type Listener = Parameters<Transport['onConnection']>[0];
  const listeners = new Set<Listener>();
  let lost = false;
  const view = new Proxy(transport, {
    get(target, name) {
      if (name === 'state' && lost) return 'disconnected';
      if (name === 'onConnection') {
        return (listener: Listener) => {
          listeners.add(listener);
          return target.onConnection(listener);
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return [
    view,
    {
      become(state) {
        lost = state === 'disconnected';
        for (const listener of listeners) listener({ state, server: 'nats://10.0.0.7:4222' });
      },
    },
  ];
}
