/** `createApp`: starts transport, node, actors and client of a process that both runs actors and calls them. */
import { actorHandler } from '@clstr/actors';
import type { Methods, Ref } from '@clstr/actors';
import type { AnyActor, GivenServices, Referable, ServicesOf } from '@clstr/actors/internal';
import { createClient, createNode } from '@clstr/core';
import { DEFAULT_SERVICE, everySettled, invalidOption, methods, pause } from '@clstr/core/internal';
import type { Client, Node, Transport } from '@clstr/core';
import type { StateStore } from '@clstr/core/store';
import { Ending } from './ending.ts';
import { AppHealth } from './health/health.ts';
import type { Health } from './health/health.ts';
import { resolveAppOptions } from './options.ts';
import type { AppOptions, ResolvedAppOptions } from './options.ts';
import type { HostedService } from './hosted-services.ts';
import { textOf } from './metrics-text.ts';
import type { Seat } from './place.ts';
import { untilOwned } from './until-owned.ts';

export interface App {
  readonly client: Client;
  readonly transport: Transport;
  /** The node of the app's own service. */
  readonly node: Node;
  /** One for each service that the app runs, its own first. */
  readonly nodes: readonly Node[];
  /** Resolves when the app has closed, by a call or by a signal. */
  readonly closed: Promise<void>;
  /** Returns a ref to the actor of `key`, whichever node owns it. */
  ref<M extends Methods>(contract: Referable<M>, key: string): Ref<M>;
  /** What is wrong with the app, if anything. The option `health` gives it before the app has started. */
  health(): Health;
  /**
   * The text of the first of the app's metrics that has one: what a page for Prometheus answers.
   *
   * @throws INVALID_OPTION if none has
   */
  metrics(): Promise<string>;
  /** Drains the nodes, then closes client and transport, even if one of these steps fails. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts an app. It resolves when its nodes serve and, in a dynamic cluster, every shard has an owner, so that the first
 * call finds its actor. On a signal the app closes itself and leaves no handle open, so that the process ends once
 * nothing else keeps it alive.
 *
 * @throws INVALID_OPTION, the errors of the transport and the nodes at their start, and ABORTED when a signal arrives
 * before the start has ended; everything that was started is then closed
 */
export async function createApp<Actors extends readonly AnyActor[]>(
  options: AppOptions<ServicesOf<Actors>> & { actors: Actors } & GivenServices<ServicesOf<Actors>>,
): Promise<App> {
  const resolved = resolveAppOptions(options as unknown as AppOptions);
  const ending = new Ending(resolved.logger);
  const health = new AppHealth({
    subject: 'the app',
    clock: resolved.clock,
    address: resolved.place.address,
  });
  ending.begun.addEventListener('abort', () => {
    health.ending();
  });
  void ending.closed.then(() => {
    health.closed();
  });
  try {
    return await startApp(resolved, ending, health);
  } catch (error) {
    if (!ending.isSignalled) health.failed(error);
    await ending.closeRest().catch((err: unknown) => {
      resolved.logger.error({ event: 'app.close_failed', err }, 'closing what had been started failed');
    });
    throw error;
  }
}

async function startApp(options: ResolvedAppOptions, ending: Ending, appHealth: AppHealth): Promise<App> {
  const { place, hosted, signals, logger, onClose, drainDelayMs, clock } = options;
  const nodes: Node[] = [];
  const health = (): Health => appHealth.read();
  if (onClose !== undefined) ending.add(onClose);
  ending.listen(signals);
  try {
    options.health?.follow(health);
    const transport = checkTransport(await place.connect({ logger, signal: ending.begun }));
    ending.add(() => transport.close());
    transport.useLogger?.(logger);
    appHealth.connected(transport);
    ending.throwIfSignalled();
    const [own, ...others] = await everySettled(hosted.map((service) => takeSeat(service, options, ending)));
    const client = openClient(options, own!, transport);
    ending.add(() => client.close());
    appHealth.opened(client);
    const started = [own!, ...others].map((seat) =>
      startNode(options, seat, { transport, client, ending, nodes, health: appHealth }),
    );
    await everySettled(started);
    ending.throwIfSignalled();
    appHealth.started();
    if (drainDelayMs > 0) ending.add(() => pause(clock, drainDelayMs));
    const close = (): Promise<void> => ending.close();
    return {
      client,
      transport,
      health,
      close,
      metrics: () => textOf(options.metrics),
      node: nodes[0]!,
      nodes,
      closed: ending.closed,
      ref: (contract, key) => contract.ref(client, key),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    ending.throwIfSignalled();
    throw error;
  }
}

interface Taken {
  readonly service: HostedService;
  readonly seat: Seat;
}

async function takeSeat(
  service: HostedService,
  { place, logger }: ResolvedAppOptions,
  ending: Ending,
): Promise<Taken> {
  const seat = await place.seat(service.name, logger);
  ending.add(async () => seat.close?.());
  return { service, seat };
}

function openClient(options: ResolvedAppOptions, { service, seat }: Taken, transport: Transport): Client {
  const { clock, metrics, tracing, logger } = options;
  const { numShards, seed, routing } = seat;
  const own = { transport: viewOf(transport, service), numShards, seed, routing };
  return createClient({ ...options.client, ...own, clock, metrics, tracing, logger });
}

interface Common {
  readonly transport: Transport;
  readonly client: Client;
  readonly ending: Ending;
  readonly nodes: Node[];
  readonly health: AppHealth;
}

async function startNode(
  options: ResolvedAppOptions,
  { service, seat }: Taken,
  common: Common,
): Promise<void> {
  const { nodeId, services, cacheSize, drainMs, clock, metrics, tracing, logger } = options;
  const { numShards, seed, shards, membership } = seat;
  const client = common.client.service(service.name);
  const store = await openStore(options, service, common);
  const handler = actorHandler(service.actors, {
    client,
    store,
    services,
    cacheSize,
    clock,
    metrics,
    logger,
  });
  const node = createNode({
    ...options.node,
    transport: viewOf(common.transport, service),
    numShards,
    seed,
    clock,
    metrics,
    logger,
    tracing,
    shards,
    membership,
    id: nodeId,
    handler,
  });
  common.nodes.push(node);
  common.health.added({ node, service: service.name, numShards });
  common.ending.add(() => node.drain({ graceMs: drainMs }));
  await node.start();
  if (membership !== undefined) await untilOwned(node, { timing: membership.timing, clock, logger });
}

async function openStore(
  { store: stores, clock, logger }: ResolvedAppOptions,
  { name: service, actors }: HostedService,
  { transport, ending }: Common,
): Promise<StateStore | undefined> {
  if (stores === undefined || !actors.some(({ durable }) => durable !== undefined)) return undefined;
  const cluster = transport.cluster?.name ?? 'clstr';
  const store = await stores.open({ cluster, service, transport, clock, logger });
  ending.add(() => store.close());
  return store;
}

function viewOf(transport: Transport, { name }: HostedService): Transport {
  return name === DEFAULT_SERVICE ? transport : transport.service(name);
}

function checkTransport(made: unknown): Transport {
  if (typeof (made as Partial<Transport> | undefined)?.close !== 'function') {
    throw invalidOption('createApp', 'transport', made, 'a function that makes a transport');
  }
  return methods<Transport>(['onConnection']).check('createApp', 'transport', made);
}
