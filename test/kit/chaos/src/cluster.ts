/** A cluster for fault tests: nats-server, a fenced store, node processes, clients, and a recorder of every call. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client, TimingProfile } from '@clstr/core';
import { createClient } from '@clstr/core';
import { startTcpProxy } from '@clstr/testing';
import { serveFencedStore } from '@clstr/testing/internal';
import type { NatsServer } from '@clstr/testing/nats';
import type { TcpProxy } from '@clstr/testing';
import type { FencedStoreServer } from '@clstr/testing/internal';
import { natsTransport } from '@clstr/transport-nats';
import type { NatsTransport } from '@clstr/transport-nats';
import { startLoad } from './load.ts';
import type { Load, LoadOptions } from './load.ts';
import { forkNode } from './node-child.ts';
import type { NodeChild, NodeExit } from './node-child.ts';
import type { NodeOrder } from './node-reports.ts';
import { nowMs } from './now.ts';
import { createRecorder } from './recorder.ts';
import type { EndedCall, Recorder } from './recorder.ts';
import { provisionWhenUp, startServerSet } from './server-set.ts';
import type { ServerSet } from './server-set.ts';
import { OwnerLog } from './owner-log.ts';
import { judgeHistory } from './verdict.ts';
import type { ChaosVerdict } from './verdict.ts';

export interface ChaosClusterOptions {
  /** The file that records calls. Default: a file that is removed with the cluster. */
  readonly historyFile?: string | undefined;
  /** Default 64. */
  readonly numShards?: number | undefined;
  /** Default 2. */
  readonly clients?: number | undefined;
  /** The number of nats-servers; three keep three replicas of the bucket, which is provisioned. Default 1. */
  readonly servers?: 1 | 3 | undefined;
  /** The servers, out of three, that clients connect to without a proxy. Default: all. */
  readonly clientServers?: readonly number[] | undefined;
  /** The timing of the nodes. Default `fast`. */
  readonly timing?: TimingProfile | undefined;
  /** For the request connections of nodes and clients. Default: 500 ms for nodes, and the transport's for clients. */
  readonly pingIntervalMs?: number | undefined;
}

export interface NodeStart extends Partial<Pick<NodeOrder, 'numShards' | 'seed' | 'placement' | 'identity'>> {
  /** Whether its connections go through a proxy of its own. Default false. */
  readonly isProxied?: boolean | undefined;
  /** That for requests does, that of its membership does not: to this server, and to the others without it. Default: none. */
  readonly dataProxiedTo?: number | undefined;
  /** Whether its connections go through the servers' proxies. Default: only if there are three servers. */
  readonly isBehindServerProxies?: boolean | undefined;
}

export interface ChaosNode extends NodeChild {
  /** The number of the process within the cluster. */
  readonly run: number;
  readonly proxy: TcpProxy | undefined;
}

export interface ChaosResult extends ChaosVerdict {
  readonly handlers: number;
  readonly acquisitions: number;
}

/** The pause between two tries to reach a shard that is not served. */
const PROBE_PAUSE_MS = 10;
const PROBE_TIMEOUT_MS = 500;

export class ChaosCluster {
  readonly numShards: number;
  /** The first server. */
  readonly server: NatsServer;
  readonly set: ServerSet;
  readonly store: FencedStoreServer;
  readonly recorder: Recorder;
  readonly ownerLog: OwnerLog;
  readonly clients: readonly Client[];
  /** The running processes, by node id. */
  readonly nodes: Map<string, ChaosNode> = new Map();
  readonly #all: ChaosNode[] = [];
  readonly #loads: Load[] = [];
  readonly #transports: readonly NatsTransport[];
  readonly #folder: string;
  readonly #order: Pick<NodeOrder, 'timing' | 'replicas' | 'pingIntervalMs'>;
  readonly #resuming = new Set<number>();
  readonly #probeKeys: readonly string[];
  #closing: Promise<void> | undefined;

  private constructor(
    { numShards = 64, timing, pingIntervalMs }: ChaosClusterOptions,
    set: ServerSet,
    store: FencedStoreServer,
    transports: readonly NatsTransport[],
    folder: string,
    historyFile: string,
  ) {
    this.numShards = numShards;
    this.set = set;
    this.server = set.servers[0]!;
    this.#order = { timing, replicas: set.servers.length, pingIntervalMs };
    this.store = store;
    this.#transports = transports;
    this.#folder = folder;
    this.clients = transports.map((transport) => createClient({ transport, numShards, routing: 'topology' }));
    this.recorder = createRecorder(historyFile);
    const shardOf = (key: string): number => this.client.shardOf(key);
    this.ownerLog = new OwnerLog(shardOf);
    this.#probeKeys = Array.from({ length: numShards }, (_, shard) => keyOfShard('probe', shard, shardOf));
  }

  /** @throws CONNECT_FAILED if there is no nats-server */
  static async start(options: ChaosClusterOptions = {}): Promise<ChaosCluster> {
    const { numShards = 64, clients = 2, servers: count = 1, timing = 'fast', pingIntervalMs } = options;
    const set = await startServerSet(count);
    const replicas = set.servers.length;
    const direct = set.servers.map(({ url }) => url);
    if (count === 3) {
      const shards = { numShards, timing, isNew: true } as const;
      await provisionWhenUp({ servers: direct, replicas, allowUnsafeServer: true, ...shards });
    }
    const store = await serveFencedStore();
    const servers = options.clientServers?.map((index) => direct[index]!) ?? direct;
    const transports = await Promise.all(
      Array.from({ length: clients }, (_, index) =>
        natsTransport({ servers, name: `client-${index + 1}`, pingIntervalMs }),
      ),
    );
    const folder = mkdtempSync(join(tmpdir(), 'clstr-chaos-'));
    const file = options.historyFile ?? join(folder, 'history.jsonl');
    return new ChaosCluster({ ...options, numShards, timing }, set, store, transports, folder, file);
  }

  get client(): Client {
    return this.clients[0]!;
  }

  /** Keys of one shard each: `count` for every shard that `isWanted`. */
  keys(count: number, isWanted: (shard: number) => boolean = () => true): string[] {
    const shardOf = (key: string): number => this.client.shardOf(key);
    return Array.from({ length: this.numShards }, (_, shard) => shard)
      .filter(isWanted)
      .flatMap((shard) =>
        Array.from({ length: count }, (_, n) => keyOfShard(`counter-${n}`, shard, shardOf)),
      );
  }

  /** Makes calls at a steady rate, until it is stopped or the cluster closes. */
  startLoad(options: Omit<LoadOptions, 'clients' | 'recorder'>): Load {
    const load = startLoad({ ...options, clients: this.clients, recorder: this.recorder });
    this.#loads.push(load);
    return load;
  }

  /** Starts a process; `ready` resolves when it is a member, or rejects with the reason. */
  fork(id: string, start: NodeStart = {}, proxy?: TcpProxy): ChaosNode {
    const { isProxied = false, dataProxiedTo: _, isBehindServerProxies: __, ...given } = start;
    const run = this.#all.length;
    const child = forkNode(
      {
        id,
        numShards: this.numShards,
        storePort: this.store.port,
        ...this.#order,
        ...this.#addresses(start, isProxied, proxy),
        ...given,
      },
      (report) => {
        const at = nowMs();
        if (this.#resuming.delete(run)) this.ownerLog.record(at, run, id, { kind: 'resumed' });
        this.ownerLog.record(at, run, id, report);
      },
    );
    const node: ChaosNode = { ...child, run, proxy };
    this.#all.push(node);
    this.nodes.set(id, node);
    void child.exited.then(({ at }) => {
      if (this.nodes.get(id) === node) this.nodes.delete(id);
      this.ownerLog.record(at, run, id, { kind: 'exited' });
    });
    return node;
  }

  /** The servers to which a node connects for requests and for its membership. */
  #addresses(
    { dataProxiedTo, isBehindServerProxies = this.set.servers.length > 1 }: NodeStart,
    isProxied: boolean,
    proxy: TcpProxy | undefined,
  ): Pick<NodeOrder, 'servers' | 'memberServers'> {
    const all = isBehindServerProxies ? this.set.proxies.map(urlOf) : this.set.servers.map(({ url }) => url);
    if (proxy === undefined) return { servers: all, memberServers: all };
    const own = urlOf(proxy);
    if (isProxied) return { servers: [own], memberServers: [own] };
    const others = all.filter((_, index) => index !== dataProxiedTo);
    return { servers: [own, ...others], memberServers: all };
  }

  /** Resolves when the nodes are members. */
  async join(ids: readonly string[], start: NodeStart = {}): Promise<ChaosNode[]> {
    return Promise.all(
      ids.map(async (id) => {
        const target = start.isProxied ? 0 : start.dataProxiedTo;
        const port = target === undefined ? undefined : this.set.servers[target]!.port;
        const proxy = port === undefined ? undefined : await startTcpProxy({ port });
        const node = this.fork(id, start, proxy);
        await node.ready;
        return node;
      }),
    );
  }

  node(id: string): ChaosNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`${id} is not running`);
    return node;
  }

  /** Resolves when every shard has an owner and each of the nodes has some. */
  async untilSpread(timeoutMs = 15_000): Promise<void> {
    const isSpread = (): boolean =>
      this.ownedShards().length === this.numShards &&
      [...this.nodes.keys()].every((id) => this.ownerLog.shardsOf(id).length > 0);
    await this.ownerLog.until('every shard is owned, and every node owns some', isSpread, timeoutMs);
    await this.untilQuiet(timeoutMs);
  }

  /** Resolves when no shard has moved for a while. */
  async untilQuiet(timeoutMs = 15_000, quietMs = 700): Promise<void> {
    const endMs = nowMs() + timeoutMs;
    for (;;) {
      const lastMs = Math.max(0, ...this.ownerLog.acquired.slice(-50).map(({ at }) => at));
      const waitMs = lastMs + quietMs - nowMs();
      if (waitMs <= 0) return;
      if (nowMs() > endMs) throw new Error(`shards still move after ${timeoutMs} ms`);
      await pause(waitMs);
    }
  }

  ownedShards(): number[] {
    return Array.from({ length: this.numShards }, (_, shard) => shard).filter(
      (shard) => this.ownerLog.ownerOf(shard) !== undefined,
    );
  }

  /** Kills a process; resolves with the time of the signal and how the process ended. */
  async kill(id: string): Promise<NodeExit & { killedAt: number }> {
    const node = this.node(id);
    const killedAt = nowMs();
    node.signal('SIGKILL');
    return { ...(await node.exited), killedAt };
  }

  /** Stops a process; the time is that of the signal. */
  async pause(id: string): Promise<number> {
    const node = this.node(id);
    const at = nowMs();
    this.ownerLog.record(at, node.run, id, { kind: 'paused' });
    node.signal('SIGSTOP');
    while (node.processState() !== 'T') await pause(1);
    return at;
  }

  continue(id: string): number {
    const node = this.node(id);
    this.#resuming.add(node.run);
    const at = nowMs();
    node.signal('SIGCONT');
    return at;
  }

  /**
   * Records that a process will block its event loop: it cannot abort anything before its next turn, which it reports.
   */
  expectBlocked(id: string): void {
    const { run } = this.node(id);
    this.ownerLog.record(nowMs(), run, id, { kind: 'paused' });
    this.#resuming.add(run);
  }

  /** Reads a counter of the shard that no other code uses, until it answers; resolves with that time. */
  async probe(shard: number, limitMs = 20_000): Promise<number> {
    const endMs = nowMs() + limitMs;
    for (;;) {
      const { code, endedAt } = await this.read(shard, PROBE_TIMEOUT_MS);
      if (code === undefined) return endedAt;
      if (nowMs() > endMs) throw new Error(`shard ${shard} did not answer within ${limitMs} ms: ${code}`);
      await pause(PROBE_PAUSE_MS);
    }
  }

  /** Reads once a counter of the shard that no other code uses. */
  read(shard: number, timeoutMs: number): Promise<EndedCall> {
    const key = this.#probeKeys[shard]!;
    return this.recorder.call(this.client, { op: 'get', key, timeoutMs });
  }

  /** Reads the store, and checks the calls from their file and the owners from the nodes' reports. */
  async finish(): Promise<ChaosResult> {
    await Promise.all([...this.nodes.values()].map((node) => this.#end(node)));
    for (const key of new Set(this.recorder.calls.map((call) => call.key))) {
      this.recorder.addStored(key, this.store.store.read(key).value);
    }
    const verdict = judgeHistory(this.recorder.file);
    const { problems, handlers, acquisitions } = this.ownerLog.audit();
    const all = [...verdict.problems, ...problems];
    return { ...verdict, isGood: all.length === 0, problems: all, handlers, acquisitions };
  }

  /** Ends everything, in whatever state it is. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const ended = this.#loads.map((load) => load.stop());
    for (const node of this.#all) node.signal('SIGKILL');
    await Promise.all(this.#all.map(({ exited }) => exited));
    await Promise.all(this.clients.map((client) => client.close()));
    await Promise.all(ended);
    await Promise.all(this.#transports.map((transport) => transport.close()));
    for (const { proxy } of this.#all) await proxy?.close();
    await this.store.close();
    await this.set.close();
    this.recorder.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Waits until all handlers have ended and been reported: calls in flight would be missing in the store. */
  async #end(node: ChaosNode): Promise<void> {
    node.signal('SIGCONT');
    node.signal('SIGTERM');
    const hurry = setTimeout(() => node.signal('SIGKILL'), END_WITHIN_MS);
    await node.exited;
    clearTimeout(hurry);
  }
}

function urlOf({ host, port }: TcpProxy): string {
  return `nats://${host}:${port}`;
}

const END_WITHIN_MS = 10_000;

function keyOfShard(prefix: string, shard: number, shardOf: (key: string) => number): string {
  for (let n = 0; ; n++) {
    const key = `${prefix}-${shard}-${n}`;
    if (shardOf(key) === shard) return key;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
