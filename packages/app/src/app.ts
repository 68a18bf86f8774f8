/** `createApp`: starts transport, node, actors and client of a process that both runs actors and calls them. */
import process from 'node:process';
import { actorHandler } from '@clstr/actors';
import type { Methods, Ref } from '@clstr/actors';
import type { AnyActor, GivenServices, Referable, ServicesOf } from '@clstr/actors/internal';
import { ClstrError, createClient, createNode } from '@clstr/core';
import { invalidOption } from '@clstr/core/internal';
import type { Client, Logger, Node, Transport } from '@clstr/core';
import { resolveAppOptions } from './options.ts';
import type { AppOptions, ResolvedAppOptions } from './options.ts';
import { offSignal, onSignal } from './signals.ts';
import { untilOwned } from './until-owned.ts';

export interface App {
  readonly client: Client;
  readonly node: Node;
  /** Returns a ref to the actor of `key`, whichever node owns it. */
  ref<M extends Methods>(contract: Referable<M>, key: string): Ref<M>;
  /** Drains the node, then closes client and transport, even if one of these steps fails. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts an app. It resolves when the node serves and, in a dynamic cluster, every shard has an owner, so that the
 * first call finds its actor; a cluster that was not provisioned needs an expiry for that. On a signal the app closes
 * itself and leaves no handle open, so that the process ends once nothing else keeps it alive.
 *
 * @throws INVALID_OPTION, the errors of the transport and the node at their start, and ABORTED when a signal arrives
 * before the start has ended; everything that was started is then closed
 */
export async function createApp<Actors extends readonly AnyActor[]>(
  options: AppOptions<ServicesOf<Actors>> & { actors: Actors } & GivenServices<ServicesOf<Actors>>,
): Promise<App> {
  const resolved = resolveAppOptions(options as unknown as AppOptions);
  const ending = new Ending(resolved.logger);
  try {
    return await startApp(resolved, ending);
  } catch (error) {
    await ending.close().catch((err: unknown) => {
      resolved.logger.error({ err }, 'closing what had been started failed');
    });
    throw error;
  }
}

async function startApp(options: ResolvedAppOptions, ending: Ending): Promise<App> {
  const { actors, nodeId, ownership, routing, services, cacheSize, numShards, seed, drainMs } = options;
  const { clock, metrics, logger } = options;
  const transport = checkTransport(await options.transport());
  ending.add(() => transport.close());
  transport.useLogger?.(logger);
  const shared = { transport, numShards, seed, clock, metrics, logger };
  const client = createClient({ ...options.client, ...shared, routing });
  ending.add(() => client.close());
  const handler = actorHandler(actors, { client, services, cacheSize, clock, metrics, logger });
  const node = createNode({ ...options.node, ...shared, ...ownership, id: nodeId, handler });
  ending.add(() => node.drain({ graceMs: drainMs }));
  ending.listen(options.signals);
  try {
    await node.start();
    const { membership } = ownership;
    if (membership !== undefined) await untilOwned(node, { timing: membership.timing, clock, logger });
  } catch (error) {
    ending.throwIfSignalled();
    throw error;
  }
  ending.throwIfSignalled();
  const close = (): Promise<void> => ending.close();
  return {
    client,
    node,
    ref: (contract, key) => contract.ref(client, key),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function checkTransport(made: unknown): Transport {
  if (typeof (made as Partial<Transport> | undefined)?.close === 'function') return made as Transport;
  throw invalidOption('createApp', 'transport', made, 'a function that makes a transport');
}

/** The end of an app, by a call or a signal: it closes the parts once, in the reverse order of their start. */
class Ending {
  readonly #logger: Logger;
  readonly #steps: (() => Promise<void>)[] = [];
  #signals: readonly NodeJS.Signals[] = [];
  #closing: Promise<void> | undefined;
  /** The signal that ended the app, if one did. */
  #signal: NodeJS.Signals | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(step: () => Promise<void>): void {
    this.#steps.unshift(step);
  }

  /** Further signals have no effect until everything is closed: with npm, one Ctrl-C may arrive twice. */
  listen(signals: readonly NodeJS.Signals[]): void {
    this.#signals = signals;
    for (const signal of signals) onSignal(signal, this.#onSignal);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** @throws ABORTED when a signal ended the app while it was starting. */
  throwIfSignalled(): void {
    if (this.#signal === undefined) return;
    const message = `createApp: ${this.#signal} arrived while the app was starting`;
    throw new ClstrError('ABORTED', message, { outcome: 'not-executed' });
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#signal ??= signal;
    this.close().catch((err: unknown) => {
      this.#logger.error({ err, signal }, `closing the app on ${signal} failed`);
      process.exitCode = 1;
    });
  };

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#steps) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    for (const signal of this.#signals) offSignal(signal, this.#onSignal);
    if (failures.length > 0) throw failures[0];
  }
}
