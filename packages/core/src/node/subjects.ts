/** The addresses of a node on the bus: serves each, serves it again, and leaves it. */
import type { Clock } from '../base/clock.ts';
import type { Dispatch } from './dispatch.ts';
import type { ClstrError } from '../base/errors.ts';
import { createDeferred } from '../base/deferred.ts';
import { inBackground } from '../base/background.ts';
import type { Logger } from '../base/logger.ts';
import { createRareLog } from '../base/rare-log.ts';
import type { RareLog } from '../base/rare-log.ts';
import type { Address, EntryReceiver, NodeAddress, Subscription, Transport } from '../wire/transport.ts';
import { isNodeAddress, isTopologyAddress } from '../wire/transport.ts';

export interface NodeSubjectsOptions {
  readonly nodeId: string;
  readonly transport: Transport;
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly closedError: () => ClstrError;
  /** Called when the bus has confirmed the subject of a shard. */
  readonly onServed: (shard: number) => void;
  /** Called when the bus has refused or ended the subject of a shard. */
  readonly onRefused: (shard: number, error: ClstrError) => void;
}

type Slot = number | 'direct' | 'topology';

interface Serving {
  /** Undefined until the bus has confirmed it, and after the bus refused or ended it. */
  subscription: Subscription | undefined;
}

export class NodeSubjects {
  readonly #options: NodeSubjectsOptions;
  readonly #serving = new Map<Slot, Serving>();
  readonly #rareLog: RareLog;
  readonly #ended = createDeferred();
  #self: NodeAddress | undefined;

  constructor(options: NodeSubjectsOptions) {
    this.#options = options;
    this.#rareLog = createRareLog(options.logger, options.clock);
  }

  /** Begins a run of the node, and leaves the direct address of the one before. */
  enter(self: NodeAddress): void {
    this.#self = self;
    const old = this.#serving.get('direct');
    if (old === undefined) return;
    this.#serving.delete('direct');
    inBackground(this.#leave(old), 'leaving the address of the run before', this.#options.logger);
  }

  /** The shards whose messages should come here, whether the bus agrees or not. */
  shards(): number[] {
    return [...this.#serving.keys()].filter((slot) => typeof slot === 'number');
  }

  serves(address: Address): boolean {
    return this.#serving.has(slotOf(address));
  }

  /** Closes a late subscription. @throws TRANSPORT_CLOSED as soon as the node is closed, however long the bus takes */
  async serve(address: Address): Promise<void> {
    const { transport, dispatch, closedError } = this.#options;
    const slot = slotOf(address);
    const receiver = receiverOf(slot, dispatch);
    const serving: Serving = { subscription: undefined };
    this.#serving.set(slot, serving);
    const served = transport.serve(address, receiver, this.#self!).then((subscription) => {
      this.#onConfirmed(address, serving, subscription);
    });
    await Promise.race([served, this.#ended.promise]);
    if (this.#ended.isResolved) throw closedError();
  }

  /** A subject that cannot be served does not stop the others: the direct one reaches every shard. */
  async serveOrReport(address: Address): Promise<void> {
    try {
      await this.serve(address);
    } catch (err) {
      if (!this.#ended.isResolved) this.#onRefused(address, err as ClstrError);
    }
  }

  /** Renews a subscription through which no messages come, whatever the bus has said. */
  async serveAgain(address: Address): Promise<void> {
    const slot = slotOf(address);
    const serving = this.#serving.get(slot);
    if (serving === undefined) return;
    await this.#leave(serving);
    if (this.#serving.get(slot) === serving) await this.serveOrReport(address);
  }

  async leaveShard(shard: number): Promise<void> {
    const serving = this.#serving.get(shard);
    this.#serving.delete(shard);
    if (serving !== undefined) await this.#leave(serving);
  }

  /** From now on leaves each subject as soon as the bus has confirmed it. */
  end(): void {
    this.#ended.resolve();
  }

  /** Leaves the shards first: accepted messages may be answered through the direct address. */
  async leaveAll(): Promise<void> {
    await Promise.all(this.shards().map((shard) => this.leaveShard(shard)));
    for (const slot of ['topology', 'direct'] as const) {
      const serving = this.#serving.get(slot);
      if (serving !== undefined) await this.#leave(serving);
    }
  }

  #onConfirmed(address: Address, serving: Serving, subscription: Subscription): void {
    const { logger, onServed } = this.#options;
    const slot = slotOf(address);
    if (this.#ended.isResolved || this.#serving.get(slot) !== serving) {
      inBackground(subscription.close(), 'closing a late subscription', logger);
      return;
    }
    serving.subscription = subscription;
    if (typeof slot === 'number') onServed(slot);
    void subscription.ended.then((error) => {
      if (this.#ended.isResolved || serving.subscription !== subscription) return;
      serving.subscription = undefined;
      this.#onRefused(address, error);
      // Shards are served again later, a few at a time.
      if (typeof slot !== 'number') inBackground(this.serveAgain(address), 'serving a subject again', logger);
    });
  }

  #onRefused(address: Address, err: ClstrError): void {
    const { nodeId, onRefused } = this.#options;
    const slot = slotOf(address);
    const kind = typeof slot === 'number' ? 'shard' : slot;
    this.#rareLog.error(
      kind,
      { event: 'node.subject_refused', err, nodeId, address },
      'a subject cannot be served',
    );
    if (typeof slot === 'number' && this.#serving.has(slot)) onRefused(slot, err);
  }

  /** Never rejects: a bus that does not confirm must not keep the handler from closing. */
  async #leave(serving: Serving): Promise<void> {
    const { logger, nodeId } = this.#options;
    const { subscription } = serving;
    serving.subscription = undefined;
    try {
      await subscription?.close();
    } catch (err) {
      logger.error({ event: 'node.subscription_not_closed', err, nodeId }, 'a subscription failed to close');
    }
  }
}

function receiverOf(slot: Slot, dispatch: Dispatch): EntryReceiver {
  if (slot === 'topology') return dispatch.onCommonSubject;
  return slot === 'direct' ? dispatch : dispatch.onShardSubjects;
}

function slotOf(address: Address): Slot {
  if (isTopologyAddress(address)) return 'topology';
  return isNodeAddress(address) ? 'direct' : address.shard;
}
