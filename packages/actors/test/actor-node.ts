/** One node with actors on a memory bus, and a client, all on a clock that stands still until a test moves it. */
import { createClient } from '@clstr/core';
import type { WatchedActors, Client, ClientOptions, Node, NodeOptions } from '@clstr/core';
import { actorHandler } from '@clstr/actors';
import type { Actor, ActorHandler, ActorHandlerOptions, Methods, Ref } from '@clstr/actors';
import type { Referable } from '@clstr/actors/internal';
import { fakeClock, testCluster } from '@clstr/testing';
import type { FakeClock, LogRecord } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import { onTestFinished } from 'vitest';

export interface ActorNodeOptions extends Omit<ActorHandlerOptions, 'clock' | 'metrics'> {
  node?: Partial<Pick<NodeOptions, 'handlerTimeoutMs' | 'interceptors' | 'metrics' | 'tracing' | 'shedding'>>;
  caller?: Partial<Pick<ClientOptions, 'headers' | 'timeoutMs' | 'interceptors' | 'tracing'>>;
}

export interface ActorNode {
  readonly clock: FakeClock;
  readonly client: Client;
  readonly node: Node;
  readonly handler: ActorHandler;
  /** What the actor host logged, and what the node did. */
  readonly lines: readonly LogRecord[];
  readonly nodeLines: readonly LogRecord[];
  /** What metrics read: how many actors of each type are in memory now, what waits, and what runs. */
  readonly active: ReadonlyMap<string, number>;
  readonly readings: WatchedActors;
  /** The types whose code threw, and the ends of what runs without a caller. */
  readonly panicked: readonly string[];
  readonly tasks: [isSuccess: boolean, durationMs: number][];
  ref<M extends Methods>(contract: Referable<M>, key: string): Ref<M>;
  anotherClient(options?: Partial<ClientOptions>): Client;
  /** Resolves when everything that can happen without time passing has happened. */
  settled(): Promise<void>;
  /** Moves time until the drain is over. */
  drain(graceMs?: number): Promise<void>;
}

/** Ends with the test. */
export async function actorNode(
  actors: readonly Actor[],
  options: ActorNodeOptions = {},
): Promise<ActorNode> {
  const { node: nodeOptions, caller, ...handlerOptions } = options;
  const clock = fakeClock();
  const [log, nodeLog] = [recordLog(), recordLog()];
  let readings!: WatchedActors;
  const panicked: string[] = [];
  const tasks: [boolean, number][] = [];
  // The cluster makes the client after the handlers that call through it.
  const client = {
    requestKey: ((...args) => cluster.client.requestKey(...args)) as Client['requestKey'],
    notifyKey: ((...args) => cluster.client.notifyKey(...args)) as Client['notifyKey'],
  };
  const handler = actorHandler(actors, {
    client,
    logger: log,
    ...handlerOptions,
    clock,
    metrics: {
      watchActors: (actors) => void (readings = actors),
      panicked: (type) => void panicked.push(type),
      taskEnded: (...task) => void tasks.push(task),
    },
  });
  const cluster = await testCluster({
    nodes: 1,
    numShards: 4,
    handler,
    clock,
    client: { timeoutMs: 600_000, ...caller },
    node: { handlerTimeoutMs: 300_000, logger: nodeLog, ...nodeOptions },
  });
  const advanceUntil = async (work: Promise<unknown>): Promise<void> => {
    const state = { isOver: false };
    void work.finally(() => (state.isOver = true));
    while (!state.isOver) await clock.advance(100);
  };
  onTestFinished(() => advanceUntil(cluster.close()));
  return {
    clock,
    client: cluster.client,
    node: cluster.nodes[0]!,
    handler,
    lines: log.lines,
    nodeLines: nodeLog.lines,
    get active() {
      return readings.active();
    },
    readings,
    panicked,
    tasks,
    ref: (contract, key) => contract.ref(cluster.client, key),
    anotherClient: (more) =>
      createClient({ transport: cluster.transport, numShards: 4, clock, timeoutMs: 600_000, ...more }),
    settled: async () => {
      // The bus lets other work go first after each 256 packets.
      for (let i = 0; i < TURNS; i++) await clock.advance(0);
    },
    drain: (graceMs) => advanceUntil(cluster.nodes[0]!.drain({ graceMs })),
  };
}

const TURNS = 24;

/** What a call ended with: its value, or its error as a caller sees it. */
export type Answer = { value: unknown } | { code: unknown; outcome: unknown; message: string };

/** The end of a call; arm it before whatever makes the call end. */
export async function answerOf(call: PromiseLike<unknown>): Promise<Answer> {
  try {
    return { value: await call };
  } catch (error) {
    const { code, outcome, message } = error as Answer & { code: unknown; outcome: unknown; message: string };
    return { code, outcome, message };
  }
}

/** Collects the ends of calls as they come. */
export function watch(calls: readonly PromiseLike<unknown>[]): readonly (Answer | undefined)[] {
  const answers = calls.map((): Answer | undefined => undefined);
  calls.forEach((call, index) => {
    void answerOf(call).then((answer) => (answers[index] = answer));
  });
  return answers;
}
