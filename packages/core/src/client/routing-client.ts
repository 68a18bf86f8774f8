/** The client itself: it checks calls, finds their shard, and keeps what they share. */
import type { Client } from './api.ts';
import { CallerStacks } from './stacks.ts';
import { breakersOf } from './breakers.ts';
import type { Breakers, OpenBreaker } from './breakers.ts';
import { Call } from './call.ts';
import type { CallFields, CallHost } from './call.ts';
import { mergeHeaders, withCallChain } from './call-headers.ts';
import { CallMetrics } from './call-metrics.ts';
import { ClusterFit } from './cluster-fit.ts';
import { KnownTypes } from './known-types.ts';
import { encodeCall } from './call-payload.ts';
import { beginTrace } from './call-trace.ts';
import { checkCallOptions, refuseIdempotencyKey, resolveClientOptions } from './options.ts';
import type { CallOptions, ResolvedClientOptions } from './options.ts';
import type { Delivery } from './delivery.ts';
import { firstDelivery } from './first-delivery.ts';
import type { ClientParts } from './client-parts.ts';
import type { CallResult, KeyedCall, ListOptions } from './list-options.ts';
import { requestMany } from './request-many.ts';
import { Notifies } from './notifies.ts';
import { onReconnect } from './reconnects.ts';
import { retriesOf } from './retries.ts';
import type { Retries } from './retries.ts';
import { Nodes } from './nodes.ts';
import { NodeCalls } from './to-nodes.ts';
import { warnOfTwoOwners } from './two-owners.ts';
import { readNodeInfo } from './node-info.ts';
import type { NodeInfo } from './node-info.ts';
import type { AnyNode, AnyOptions, GatherOptions, NodeResult } from './to-nodes.ts';
import { intercepted } from './interceptors.ts';
import { NO_SHARD } from '../wire/transport.ts';
import { Routes } from './routes.ts';
import { scopeOf, scopedClient } from './scope.ts';
import type { ScopedClient } from './scope.ts';
import { attemptOf } from '../wire/call-chain.ts';
import { identityOf } from '../wire/cluster-identity.ts';
import { isRawPayload, jsonCodec } from '../wire/codec.ts';
import { NODE_INFO_TYPE, checkKey } from '../wire/envelope.ts';
import { ClstrError } from '../base/errors.ts';
import { watchedClient } from './watched-client.ts';
import { FloodLog } from '../base/flood-log.ts';
import { DeadlineWheel } from '../base/deadline-wheel.ts';
import { MAX_DELAY_MS, checkInteger } from '../base/options.ts';
import { randomSafeInteger } from '../base/random.ts';
import { DEFAULT_SERVICE } from '../wire/service.ts';
import { noTracing } from '../wire/tracing.ts';
import { Shape } from './shape.ts';
import { UsedKeys } from './used-keys.ts';

export class RoutingClient implements Client {
  readonly #options: ResolvedClientOptions;
  readonly #fit: ClusterFit;
  readonly #shape: Shape;
  readonly #services = new Map<string, Client>();
  readonly #host: CallHost;
  /** What lists, scopes and calls to nodes need of this client. */
  readonly #parts: ClientParts;
  readonly #nodeCalls: NodeCalls;
  /** The host of the framework's own messages, which are JSON whatever the codec. */
  readonly #infoHost: CallHost;
  readonly #types = new KnownTypes();
  readonly #metrics: CallMetrics;
  readonly #notifies: Notifies;
  readonly #usedKeys = new UsedKeys();
  readonly #stopListening: () => void;
  readonly #retries: Retries | undefined;
  readonly #breakers: Breakers | undefined;
  #pending = 0;
  #attempts = 0;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedClientOptions) {
    const { transport, clock, random, logger } = options;
    this.#options = options;
    const floodLog = new FloodLog(logger, clock);
    this.#notifies = new Notifies(options.onNotifyFailed, floodLog);
    if (transport.readings !== undefined) options.metrics.watchTransport(transport.readings);
    const shape = (this.#shape = new Shape(options));
    this.#fit = new ClusterFit(identityOf(options, transport.cluster), shape, logger);
    const link = transport.openLink({ clientId: randomSafeInteger(random) });
    this.#metrics = new CallMetrics(options.metrics, clock, link);
    warnOfTwoOwners(link, floodLog);
    this.#retries = retriesOf(options);
    const { service = DEFAULT_SERVICE } = transport.cluster ?? {};
    this.#breakers = breakersOf(options, service);
    const watched = watchedClient(service, this.#retries, this.#breakers, () => this.#isClosed);
    options.metrics.watchClient(watched);
    const routes = new Routes(options.route);
    const deadlines = new DeadlineWheel<Call>(clock);
    const nextAttempt = (): number => ++this.#attempts;
    const found = {
      link,
      clock,
      random,
      routes,
      nextAttempt,
      ownerWaitMs: options.ownerWaitMs,
      retries: this.#retries,
      numShards: () => shape.numShards ?? 0,
      calls: () => deadlines.items(),
      onIdentity: (cluster: unknown) => void this.#compare(cluster),
      onAsked: (failure: ClstrError | undefined) => shape.onAsked(failure, this.#ask),
      onFound: (delivery: Delivery) => {
        this.#host.delivery = delivery;
      },
    };
    this.#host = {
      link,
      codec: options.codec,
      clock,
      deadlines,
      routes,
      delivery: firstDelivery(options.routing, found),
      retries: this.#retries,
      breakers: this.#breakers,
      stacks: new CallerStacks(clock),
      tracing: options.tracing,
      cluster: transport.cluster,
      floodLog,
      nextAttempt,
      onRepeat: options.metrics.callRepeated,
      onEnd: (call, error) => this.#onEnd(call, error),
      onNotifyHandedOver: (call) => {
        this.#metrics.notifyHandedOver(call);
        this.#pending--;
        this.#notifies.track(call);
      },
      onNotifyFailed: (call, error) => this.#notifies.failed(call, error),
    };
    this.#parts = {
      options,
      calls: this.#host,
      service,
      ofService: (name) => this.#partsOf(name),
      isShaped: () => shape.router !== undefined,
      whenShaped: (given, goOn) => this.#whenShaped(given, goOn),
      room: () => options.maxPending - this.#pending,
      refusal: () => this.#refusal(),
      shardOf: (key) => shape.shardOf(key),
      checkType: (type) => this.#types.check(type),
      began: (call, idempotencyKey) => {
        this.#pending++;
        if (idempotencyKey !== undefined) this.#usedKeys.begin(call, idempotencyKey);
      },
      checked: (...call) => this.#checked(...call),
      watch: (sent, notify) => this.#notifies.watch(sent, notify),
      nodeInfo: (shard, given) => this.#nodeInfo(shard, given),
    };
    this.#nodeCalls = new NodeCalls(this.#parts, new Nodes(found));
    const own = { codec: { value: jsonCodec }, tracing: { value: noTracing } };
    this.#infoHost = Object.create(this.#host, own) as CallHost;
    if (options.routing === 'auto') this.#host.delivery.refresh();
    this.#stopListening = onReconnect(transport, () => this.#host.delivery.onReconnect());
  }

  requestKey<T>(key: string, type: string, payload?: unknown, options?: CallOptions): Promise<T> {
    return this.#routed(false, key, type, payload, options) as Promise<T>;
  }

  notifyKey(key: string, type: string, payload?: unknown, options?: CallOptions): Promise<void> {
    const sent = this.#routed(true, key, type, payload, options);
    return this.#notifies.watch(sent, () => ({ key, shard: this.#shape.shardIfAny(key), type }));
  }

  requestShard<T>(shard: number, type: string, payload?: unknown, options?: CallOptions): Promise<T> {
    return this.#checked(false, undefined, shard, type, payload, options) as Promise<T>;
  }

  notifyShard(shard: number, type: string, payload?: unknown, options?: CallOptions): Promise<void> {
    const sent = this.#checked(true, undefined, shard, type, payload, options);
    return this.#notifies.watch(sent, () => ({ key: undefined, shard, type }));
  }

  requestMany<T>(calls: readonly KeyedCall<T>[], options?: ListOptions): Promise<CallResult<T>[]> {
    return requestMany(this.#parts, calls, options) as Promise<CallResult<T>[]>;
  }

  broadcast(type: string, payload?: unknown, options?: CallOptions): Promise<NodeResult<void>[]> {
    return this.#nodeCalls.toAll(true, type, payload, options) as Promise<NodeResult<void>[]>;
  }

  gather<T>(type: string, payload?: unknown, options?: GatherOptions): Promise<NodeResult<T>[]> {
    return this.#nodeCalls.toAll(false, type, payload, options) as Promise<NodeResult<T>[]>;
  }

  any(options?: AnyOptions): AnyNode {
    return this.#nodeCalls.any(options);
  }

  key(key: string, options?: CallOptions): ScopedClient {
    // Otherwise the key is checked when its shard is computed.
    if (this.#shape.router === undefined) checkKey(key, this.#options.maxKeyBytes);
    return scopedClient(
      scopeOf(this.#parts, key, () => this.#shape.shardOf(key)),
      options,
    );
  }

  shard(shard: number, options?: CallOptions): ScopedClient {
    this.#shape.checkShard(shard);
    return scopedClient(
      scopeOf(this.#parts, undefined, () => shard),
      options,
    );
  }

  shardOf(key: string): number {
    return this.#shape.shardOf(key);
  }

  service(name: string): Client {
    const { transport } = this.#options;
    if (name === (transport.cluster?.service ?? DEFAULT_SERVICE)) return this;
    if (this.#isClosed) throw closed();
    let client = this.#services.get(name);
    if (client === undefined) {
      const own = { transport: transport.service(name), numShards: 'ask', routing: 'auto' } as const;
      client = new RoutingClient(resolveClientOptions({ ...this.#options, ...own }));
      this.#services.set(name, client);
    }
    return client;
  }

  openBreakers(): readonly OpenBreaker[] {
    if (this.#isClosed) return [];
    const others = [...this.#services.values()].flatMap((client) => client.openBreakers());
    return [...(this.#breakers?.open() ?? []), ...others];
  }

  #partsOf(service: string): ClientParts | ClstrError {
    try {
      return (this.service(service) as RoutingClient).#parts;
    } catch (error) {
      return error as ClstrError;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#stopListening();
    this.#host.delivery.close();
    this.#shape.end(closed());
    for (const call of this.#host.deadlines.items()) call.close();
    const services = [...this.#services.values()].map((client) => client.close());
    await Promise.all([this.#host.link.close(), ...services]);
  }

  /** Refuses all calls if a node names another cluster; calls that may have run there keep their outcome. */
  #compare(cluster: unknown): ClstrError | undefined {
    if (this.#isClosed) return undefined;
    const misfit = this.#fit.compare(cluster);
    if (misfit !== undefined) for (const call of this.#host.deadlines.items()) call.refuse(misfit);
    return misfit;
  }

  /**
   * Why the client accepts no call: it is closed, or does not fit its cluster. Each call gets an error of its own; after a
   * misfit the client asks again, because the cluster may be another one by now.
   */
  #refusal(): ClstrError | undefined {
    if (this.#isClosed) return closed();
    const { misfit } = this.#fit;
    if (misfit === undefined) return undefined;
    this.#host.delivery.refresh();
    return new ClstrError(misfit.code, misfit.message, { details: misfit.details });
  }

  readonly #ask = (): void => {
    this.#host.delivery.refresh();
  };

  /** Makes a call once the client knows how many shards there are. The wait is part of the call's time. */
  async #whenShaped<T>(options: CallOptions = {}, call: (rest: CallOptions) => Promise<T>): Promise<T> {
    checkCallOptions(options);
    const { timeoutMs = this.#options.timeoutMs, signal } = options;
    this.#checkOpen();
    this.#pending++;
    const left = this.#shape.known(this.#ask, timeoutMs, signal).finally(() => this.#pending--);
    return await call({ ...options, timeoutMs: await left });
  }

  async #nodeInfo(shard: number, options: CallOptions = {}): Promise<NodeInfo> {
    const host = this.#infoHost;
    const info = await this.#send(false, undefined, shard, NODE_INFO_TYPE, undefined, options, host);
    const misfit = this.#compare(((info ?? {}) as { cluster?: unknown }).cluster);
    if (misfit !== undefined) throw misfit;
    return readNodeInfo(info, (shards) => this.#shape.isList(shards));
  }

  #routed(
    isNotify: boolean,
    key: string,
    type: string,
    payload: unknown,
    options: CallOptions | undefined,
  ): Promise<unknown> {
    const { router } = this.#shape;
    if (router === undefined) {
      return this.#whenShaped(options, (rest) => this.#routed(isNotify, key, type, payload, rest));
    }
    let shard: number;
    try {
      shard = router.shardOf(key);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#checked(isNotify, key, shard, type, payload, options);
  }

  #checked(
    isNotify: boolean,
    key: string | undefined,
    shard: number,
    type: string,
    payload: unknown,
    options: CallOptions | undefined,
    host = this.#host,
  ): Promise<unknown> {
    if (key === undefined && this.#shape.router === undefined) {
      const goOn = (rest: CallOptions): Promise<unknown> =>
        this.#checked(isNotify, key, shard, type, payload, rest, host);
      return this.#whenShaped(options, goOn);
    }
    try {
      if (key === undefined && shard !== NO_SHARD) this.#shape.checkShard(shard);
      this.#types.check(type);
    } catch (error) {
      return Promise.reject(error);
    }
    const { interceptors } = this.#options;
    if (interceptors.length === 0) return this.#send(isNotify, key, shard, type, payload, options, host);
    const original = { isNotify, key, shard, type, payload, options: options ?? {} };
    return intercepted(interceptors, original, (call) =>
      this.#send(isNotify, key, shard, call.type, call.payload, call.options, host),
    );
  }

  #send(
    isNotify: boolean,
    key: string | undefined,
    shard: number,
    type: string,
    payload: unknown,
    options: CallOptions | undefined,
    host = this.#host,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      let { timeoutMs, headers } = this.#options;
      if (options !== undefined) {
        checkCallOptions(options);
        timeoutMs = checkInteger('call', 'timeoutMs', options.timeoutMs ?? timeoutMs, 1, MAX_DELAY_MS);
        if (options.headers !== undefined) headers = mergeHeaders(headers, options.headers);
        if (shard === NO_SHARD) refuseIdempotencyKey(options, 'left out of calls to nodes');
      }
      const fields: CallFields = {
        isNotify,
        shard,
        key,
        type,
        headers: withCallChain(headers, options?.callChain, options?.critical),
        payload: encodeCall(this.#options.codec, type, payload),
        isRaw: isRawPayload(payload),
        timeoutMs,
        isIdempotent: options?.idempotent ?? false,
        isForRepeat: options?.callChain !== undefined && attemptOf(options.callChain) > 1,
        index: -1,
      };
      this.#pending++;
      const call = new Call(host, fields, resolve, reject);
      if (host.tracing !== noTracing) beginTrace(host, call, headers, options);
      if (options?.idempotencyKey !== undefined) this.#usedKeys.begin(call, options.idempotencyKey);
      call.start(options?.signal);
    });
  }

  /** @throws OVERLOADED, or the reason why the client accepts no call */
  #checkOpen(): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    if (this.#pending < this.#options.maxPending) return;
    throw new ClstrError('OVERLOADED', `${this.#pending} calls of this client are pending (maxPending)`);
  }

  #onEnd(call: Call, error: ClstrError | undefined): void {
    if (call.wasHandedOver) this.#notifies.ended(call);
    else this.#pending--;
    if (call.idempotencyKey !== undefined) this.#usedKeys.ended(call, error);
    this.#metrics.ended(call, error);
  }
}

const closed = (): ClstrError => new ClstrError('TRANSPORT_CLOSED', 'this client is closed');
