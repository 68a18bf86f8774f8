/** The state of durable actors in memory: for tests, and for programs that may forget it. */
import type { Clock } from '@clstr/core';
import { ClstrError } from '@clstr/core';
import type {
  CasOutcome,
  StateHead,
  StateLog,
  StatePlace,
  StateRecord,
  StateStore,
  StateStores,
} from '@clstr/core/store';
import { refusalOf } from '@clstr/core/store';
import type { Resolved, Spec } from '@clstr/core/internal';
import { clockOption, integer, option, resolve } from '@clstr/core/internal';
import { MemoryLogs } from './memory-logs.ts';
import { MemoryRequests } from './memory-requests.ts';
import { checkPolicy, resolvePolicy } from './store-policy.ts';
import type { StorePolicy } from './store-policy.ts';

export interface MemoryStateOptions {
  /** Default: every request and answer arrives, in the next turn. */
  policy?: StorePolicy | undefined;
  /** The largest record, in bytes. Default 1,047,552, about what a message over NATS may hold. */
  maxRecordBytes?: number | undefined;
  clock?: Clock | undefined;
}

/** Keeps the state of all clusters and services that open it, until the process ends. */
export interface MemoryStateStores extends StateStores {
  /** Opens a connection under a name that `cut`, `restore` and the policy use. */
  connect(options?: MemoryStateConnectOptions): StateStore;
  /** What is stored now, without a connection. */
  peek(place: StatePlace, service?: string, cluster?: string): StateLog;
  /** Cuts off the connections of `member`, or all that are open: their calls fail until `restore`. */
  cut(member?: string): void;
  /** Also where a connection was made since: it is cut off from its start while its member is. */
  restore(member?: string): void;
}

export interface MemoryStateConnectOptions {
  /** Default: a new name. */
  member?: string | undefined;
  /** Clusters and services share no state. Default ''. */
  cluster?: string | undefined;
  /** Default ''. */
  service?: string | undefined;
  clock?: Clock | undefined;
}

export const memoryStateSpec: Spec<Resolved<MemoryStateOptions>> = {
  policy: option(checkPolicy, {}),
  maxRecordBytes: integer(1, 0x7fff_ffff, 1_047_552),
  clock: clockOption,
};

/** @throws INVALID_OPTION */
export function memoryStateStore(options: MemoryStateOptions = {}): MemoryStateStores {
  const { policy, maxRecordBytes, clock } = resolve('memoryStateStore', memoryStateSpec, options);
  const core = { clock, policy: resolvePolicy(policy, clock) };
  const services = new Map<string, MemoryLogs>();
  const connections = new Set<MemoryState>();
  const cutOff = { all: false, members: new Set<string>() };
  let members = 0;
  const each = (member: string | undefined, change: (connection: MemoryState) => void): void => {
    for (const connection of connections) {
      if (member === undefined || connection.member === member) change(connection);
    }
  };
  const logsOf = (cluster: string, service: string): MemoryLogs => {
    const name = JSON.stringify([cluster, service]);
    const logs = services.get(name) ?? new MemoryLogs();
    services.set(name, logs);
    return logs;
  };
  const stores: MemoryStateStores = {
    peek: (place, service = '', cluster = '') => logsOf(cluster, service).load(place),
    open: ({ cluster, service, clock: own }) =>
      Promise.resolve(stores.connect({ cluster, service, clock: own })),
    connect({ member = `member-${++members}`, cluster = '', service = '', clock: own = clock } = {}) {
      const requests = new MemoryRequests(core, member, own);
      const connection = new MemoryState(member, requests, logsOf(cluster, service), {
        maxRecordBytes,
        onClose: () => connections.delete(connection),
      });
      connections.add(connection);
      if (cutOff.all || cutOff.members.has(member)) connection.cut();
      return connection;
    },
    cut(member) {
      if (member === undefined) cutOff.all = true;
      else cutOff.members.add(member);
      each(member, (connection) => connection.cut());
    },
    restore(member) {
      if (member === undefined) {
        cutOff.all = false;
        cutOff.members.clear();
      } else cutOff.members.delete(member);
      each(member, (connection) => connection.restore());
    },
  };
  return Object.freeze(stores);
}

class MemoryState implements StateStore {
  readonly member: string;
  readonly maxRecordBytes: number;
  readonly #requests: MemoryRequests;
  readonly #logs: MemoryLogs;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(
    member: string,
    requests: MemoryRequests,
    logs: MemoryLogs,
    { maxRecordBytes, onClose }: { maxRecordBytes: number; onClose: () => void },
  ) {
    this.member = member;
    this.maxRecordBytes = maxRecordBytes;
    this.#requests = requests;
    this.#logs = logs;
    this.#onClose = onClose;
  }

  get isConnected(): boolean {
    return this.#requests.isConnected;
  }

  load(place: StatePlace, timeoutMs: number): Promise<StateLog> {
    return this.#requests.ask({ kind: 'load', key: place.key }, timeoutMs, () => this.#logs.load(place));
  }

  async append(
    place: StatePlace,
    revision: number,
    record: StateRecord,
    timeoutMs: number,
  ): Promise<CasOutcome> {
    if (record.bytes.length > this.maxRecordBytes)
      return { kind: 'unknown', refusal: tooLarge(record, this) };
    try {
      return await this.#requests.ask(
        { kind: 'append', key: place.key },
        timeoutMs,
        ({ isUndecided = false }) =>
          isUndecided ? { kind: 'undecided' } : this.#logs.append(place, revision, record),
      );
    } catch (error) {
      return { kind: 'unknown', refusal: refusalOf(error) };
    }
  }

  erase(place: StatePlace, revision: number, timeoutMs: number): Promise<void> {
    return this.#requests.ask({ kind: 'erase', key: place.key }, timeoutMs, () => {
      this.#logs.erase(place, revision);
    });
  }

  list(place: Omit<StatePlace, 'key'>, timeoutMs: number): Promise<readonly StateHead[]> {
    return this.#requests.ask({ kind: 'list', key: undefined }, timeoutMs, () => this.#logs.list(place));
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#requests.cut();
      this.#requests.close();
      this.#onClose();
    }
    return Promise.resolve();
  }

  cut(): void {
    if (this.isConnected) this.#requests.cut();
  }

  restore(): void {
    if (!this.#isClosed) this.#requests.restore();
  }
}

function tooLarge({ bytes }: StateRecord, { maxRecordBytes }: StateStore): ClstrError {
  const message = `a record of ${bytes.length} bytes is larger than the store takes (${maxRecordBytes})`;
  return new ClstrError('PAYLOAD_TOO_LARGE', message);
}
