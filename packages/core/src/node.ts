/** A node: serves a set of shards over a transport until it drains or closes. */
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import type { Codec } from './codec.ts';
import { jsonCodec } from './codec.ts';
import { Dispatch } from './dispatch.ts';
import { checkKey, envelopeLimits } from './envelope.ts';
import { ClstrError } from './errors.ts';
import type { Handler, NodeInterceptor } from './handler.ts';
import { inBackground } from './internal/background.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { checkObservers } from './observers.ts';
import {
  MAX_DELAY_MS,
  MAX_SHARDS,
  checkFunctions,
  checkInteger,
  checkKnownOptions,
  checkMethods,
  checkString,
  defaults,
  invalidOption,
} from './options.ts';
import type { Random } from './random.ts';
import { randomId, systemRandom } from './random.ts';
import { createKeyRouter } from './shard.ts';
import type { Address, NodeAddress, Subscription, Transport } from './transport.ts';

export interface NodeOptions {
  /** Unique in the cluster, of `[A-Za-z0-9_-]{1,64}`. Default `node-<6 random characters>`. */
  id?: string | undefined;
  /** Borrowed: closing the node leaves it open. */
  transport: Transport;
  /** Shards of the cluster; the same at every node and client, for ever. Default 1024. */
  numShards?: number | undefined;
  /** Mixed into every hash; the same at every node and client, for ever. Default ''. */
  seed?: string | undefined;
  /** The shards this node serves; give each shard to one node only. `shardsForNode` computes a fair share. */
  shards: readonly number[];
  handler: Handler;
  /** Run around every handler call; the first is outermost. */
  interceptors?: readonly NodeInterceptor[] | undefined;
  /** Default JSON; the same at every node and client. */
  codec?: Codec | undefined;
  /** Longest time a handler may run, in milliseconds. Default 30,000. */
  handlerTimeoutMs?: number | undefined;
  /** Messages accepted and not yet answered; more are `OVERLOADED`. Default 16,384. */
  maxInFlight?: number | undefined;
  /** Their payloads together, in bytes; more is `OVERLOADED`. Default 64 MiB. */
  maxInFlightBytes?: number | undefined;
  /** Longest routing key, in bytes of UTF-8. Default 1024. */
  maxKeyBytes?: number | undefined;
  /** The same as the transport's, which stamps what arrives. */
  clock?: Clock | undefined;
  random?: Random | undefined;
  metrics?: Metrics | undefined;
  logger?: Logger | undefined;
}

export type NodeState = 'created' | 'starting' | 'serving' | 'draining' | 'closed';

export interface DrainOptions {
  /** How long running handlers may still take, in milliseconds. Default 10,000. */
  graceMs?: number | undefined;
}

export interface Node {
  readonly id: string;
  readonly state: NodeState;
  /** Messages accepted and not yet answered. */
  readonly inFlight: number;
  /** The shards this node serves, ascending. */
  shards(): readonly number[];
  /** Resolves when every shard is served. A node starts once. @throws TRANSPORT_CLOSED, NO_PERMISSION */
  start(): Promise<void>;
  /**
   * Refuses new messages as `DRAINING`, answers those it has accepted, leaves the bus. Handlers that take longer
   * than `graceMs` have their signal fired and are answered `ABORTED`, outcome unknown. Idempotent.
   */
  drain(options?: DrainOptions): Promise<void>;
  /** `drain` without grace. Leaves the transport open. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @throws INVALID_OPTION */
export function createNode(options: NodeOptions): Node {
  return new ShardNode(resolveNodeOptions(options));
}

type ResolvedNodeOptions = ReturnType<typeof resolveNodeOptions>;

const KNOWN_OPTIONS = [
  'id',
  'transport',
  'numShards',
  'seed',
  'shards',
  'handler',
  'interceptors',
  'codec',
  'handlerTimeoutMs',
  'maxInFlight',
  'maxInFlightBytes',
  'maxKeyBytes',
  'clock',
  'random',
  'metrics',
  'logger',
] as const satisfies readonly (keyof NodeOptions)[];

const NODE_ID = /^[A-Za-z0-9_-]{1,64}$/;

function resolveNodeOptions(given: NodeOptions) {
  const owner = 'createNode';
  checkKnownOptions(owner, given, KNOWN_OPTIONS);
  const integer = (name: keyof NodeOptions, fallback: number, min: number, max: number): number =>
    checkInteger(owner, name, given[name] ?? fallback, min, max);
  if (typeof given.handler !== 'function') throw invalidOption(owner, 'handler', given.handler, 'a function');
  const random = checkMethods(owner, 'random', given.random ?? systemRandom, ['bytes']);
  const numShards = integer('numShards', defaults.numShards, 1, MAX_SHARDS);
  return Object.freeze({
    id: checkString(
      owner,
      'id',
      given.id ?? `node-${randomId(random, 6)}`,
      NODE_ID,
      'of [A-Za-z0-9_-]{1,64}',
    ),
    transport: checkMethods(owner, 'transport', given.transport, ['openLink', 'serve', 'onConnection']),
    numShards,
    seed: checkString(owner, 'seed', given.seed ?? defaults.seed),
    shards: checkShards(given.shards, numShards),
    handler: given.handler,
    interceptors: [...checkFunctions(owner, 'interceptors', given.interceptors ?? [])],
    codec: checkMethods(owner, 'codec', given.codec ?? jsonCodec, ['encode', 'decode']),
    handlerTimeoutMs: integer('handlerTimeoutMs', defaults.handlerTimeoutMs, 1, MAX_DELAY_MS),
    maxInFlight: integer('maxInFlight', defaults.maxInFlight, 1, Number.MAX_SAFE_INTEGER),
    maxInFlightBytes: integer('maxInFlightBytes', defaults.maxInFlightBytes, 1, Number.MAX_SAFE_INTEGER),
    maxKeyBytes: integer('maxKeyBytes', defaults.maxKeyBytes, 1, envelopeLimits.maxKeyBytes),
    clock: checkMethods(owner, 'clock', given.clock ?? systemClock, [
      'monoMs',
      'wallMs',
      'timer',
      'macrotask',
    ]),
    random,
    ...checkObservers(owner, given),
  });
}

function checkShards(shards: unknown, numShards: number): ReadonlySet<number> {
  if (!Array.isArray(shards)) throw invalidOption('createNode', 'shards', shards, 'a list of shard numbers');
  for (const shard of shards) checkInteger('createNode', 'shards', shard, 0, numShards - 1);
  return new Set(shards as number[]);
}

class ShardNode implements Node {
  readonly #options: ResolvedNodeOptions;
  readonly #dispatch: Dispatch;
  readonly #shards: readonly number[];
  #state: NodeState = 'created';
  #starting: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #direct: Subscription | undefined;
  #subscriptions: Subscription[] = [];
  /** Resolved when the node begins to end. */
  readonly #closed = createGate();
  #isGraceOver = false;
  #endGrace: (() => void) | undefined;

  constructor(options: ResolvedNodeOptions) {
    this.#options = options;
    this.#shards = [...options.shards].sort((a, b) => a - b);
    const { id, numShards, seed, maxKeyBytes, interceptors } = options;
    const handler = interceptors.reduceRight<Handler>(
      (next, interceptor) => (request, context) =>
        interceptor(request, context, (passedOn) => next(passedOn, context)),
      options.handler,
    );
    const router = createKeyRouter(numShards, seed, (key) => {
      checkKey(key, maxKeyBytes);
    });
    this.#dispatch = new Dispatch({ ...options, nodeId: id, router, handler });
  }

  get id(): string {
    return this.#options.id;
  }

  get state(): NodeState {
    return this.#state;
  }

  get inFlight(): number {
    return this.#dispatch.inFlight;
  }

  shards(): readonly number[] {
    return this.#shards;
  }

  start(): Promise<void> {
    if (this.#ending !== undefined) {
      return Promise.reject(this.#closedError());
    }
    this.#starting ??= this.#start();
    return this.#starting;
  }

  drain(options: DrainOptions = {}): Promise<void> {
    try {
      checkKnownOptions('drain', options, ['graceMs']);
      const graceMs = checkInteger(
        'drain',
        'graceMs',
        options.graceMs ?? defaults.drainGraceMs,
        0,
        MAX_DELAY_MS,
      );
      this.#ending ??= this.#end(graceMs);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#ending;
  }

  close(): Promise<void> {
    this.#isGraceOver = true;
    this.#endGrace?.();
    return this.drain({ graceMs: 0 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<void> {
    const { metrics, logger, random, id } = this.#options;
    this.#state = 'starting';
    const self: NodeAddress = { nodeId: id, inc: randomId(random, 10) };
    try {
      await this.#serve(self, self);
      await everySettled(this.#shards.map((shard) => this.#serve({ shard }, self)));
    } catch (error) {
      this.#ending ??= this.#end(0);
      throw error;
    }
    this.#state = 'serving';
    metrics.shardsOwned(id, this.#shards.length);
    logger.info(
      { nodeId: id, shards: this.#shards.length },
      `node ${id} serves ${this.#shards.length} shards`,
    );
  }

  /** @throws TRANSPORT_CLOSED as soon as the node is closed, however long the bus takes; what it gives late is closed. */
  async #serve(address: Address, self: NodeAddress): Promise<void> {
    const { transport, logger } = this.#options;
    const serving = transport.serve(address, this.#dispatch, self).then((subscription) => {
      if (this.#ending !== undefined)
        inBackground(subscription.close(), 'closing a late subscription', logger);
      else if (address === self) this.#direct = subscription;
      else this.#subscriptions.push(subscription);
    });
    await Promise.race([serving, this.#closed.promise]);
    if (this.#ending !== undefined) throw this.#closedError();
  }

  #closedError(): ClstrError {
    return new ClstrError(
      'TRANSPORT_CLOSED',
      `node ${this.id} was closed; create another one to start again`,
    );
  }

  /** Admission ends first. The subjects stay until all is answered: what was accepted may call this very node. */
  async #end(graceMs: number): Promise<void> {
    const { metrics, logger, id } = this.#options;
    this.#state = 'draining';
    this.#dispatch.stopAdmitting();
    this.#closed.resolve();
    await this.#answerAll(graceMs);
    await Promise.all(this.#subscriptions.map((subscription) => this.#leave(subscription)));
    if (this.#direct !== undefined) await this.#leave(this.#direct);
    await this.#closeHandler(graceMs);
    this.#state = 'closed';
    metrics.shardsOwned(id, 0);
    logger.info({ nodeId: id }, `node ${id} is closed`);
  }

  /** Never rejects: a bus that does not let go must not keep the handler from closing. */
  async #leave(subscription: Subscription): Promise<void> {
    const { logger, id } = this.#options;
    try {
      await subscription.close();
    } catch (err) {
      logger.error({ err, nodeId: id }, 'a subscription failed to close');
    }
  }

  async #closeHandler(graceMs: number): Promise<void> {
    const { handler, clock, logger, id } = this.#options;
    const limitMs = Math.max(graceMs, MIN_HANDLER_CLOSE_MS);
    let stopTimer: () => void = () => undefined;
    const overdue = new Promise<never>((_resolve, reject) => {
      stopTimer = clock.timer(() => {
        reject(new ClstrError('HANDLER_TIMEOUT', `the handler did not close within ${limitMs} ms`));
      }, limitMs);
    });
    try {
      await Promise.race([handler.close?.(), overdue]);
    } catch (err) {
      logger.error({ err, nodeId: id }, 'the handler failed to close');
    } finally {
      stopTimer();
    }
  }

  async #answerAll(graceMs: number): Promise<void> {
    const idle = this.#dispatch.whenIdle();
    const grace = new Promise<void>((resolve) => {
      if (graceMs === 0 || this.#isGraceOver) resolve();
      else {
        const cancel = this.#options.clock.timer(resolve, graceMs);
        this.#endGrace = resolve;
        void idle.then(cancel);
      }
    });
    await Promise.race([idle, grace]);
    this.#dispatch.abortRunning(
      new ClstrError('ABORTED', `node ${this.id} closed before the handler ended`, { outcome: 'unknown' }),
    );
  }
}

/** Like `Promise.all`, but waits for every promise before it reports the first failure. */
async function everySettled(promises: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** How long a handler may at least take to close, in milliseconds. */
const MIN_HANDLER_CLOSE_MS = 5_000;

interface Gate {
  readonly promise: Promise<void>;
  resolve(): void;
}

function createGate(): Gate {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((onResolve) => {
    resolve = onResolve;
  });
  return { promise, resolve };
}
