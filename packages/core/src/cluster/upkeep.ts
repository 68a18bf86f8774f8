/** The periodic work of an incarnation: it looks for dead nodes every heartbeat, and reads the whole bucket at times. */
import { inBackground } from '../base/background.ts';
import { pause } from '../base/clock.ts';
import type { ClstrError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Absences } from './absences.ts';
import type { Declaration } from './declaration.ts';
import type { HeartbeatSession } from './heartbeat-session.ts';
import type { Ledger } from './ledger.ts';
import type { Monitor } from './monitor.ts';
import type { Ownership } from './ownership.ts';
import { heartbeatKey, memberKey, readConfig } from './records.ts';
import { refusalOf } from './refusal.ts';
import type { OnFailure } from './refusal.ts';
import { CONFIG_KEY } from './store.ts';
import type { StoreEntry } from './store.ts';

export interface UpkeepOptions {
  readonly ledger: Ledger;
  readonly session: HeartbeatSession;
  readonly monitor: Monitor;
  readonly absences: Absences;
  readonly declaration: Declaration;
  readonly ownership: Ownership;
  readonly random: Random;
  readonly logger: Logger;
}

/** How long the records of a node that has left stay, so that all others learn of it. */
const PURGE_AFTER_MS = 600_000;

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #overSinceMs = new Map<string, number>();
  #cancelTick: (() => void) | undefined;
  #cancelList: (() => void) | undefined;
  #isEnded = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** The node is a member. */
  begin(): void {
    const { clock, timing } = this.#options.ledger;
    this.#tickAt(clock.monoMs() + timing.heartbeatMs);
    this.#listLater();
  }

  /** Idempotent. */
  end(): void {
    this.#isEnded = true;
    this.#cancelTick?.();
    this.#cancelList?.();
  }

  #tickAt(dueMs: number): void {
    const { ledger, monitor, absences, declaration, ownership } = this.#options;
    const { clock, timing } = ledger;
    this.#cancelTick = clock.timer(() => {
      // The event loop was blocked, so this node has read no heartbeats in the meantime.
      if (clock.monoMs() - dueMs > timing.heartbeatMs) monitor.suspend();
      monitor.check();
      absences.check();
      if (this.#isEnded) return;
      declaration.review();
      ownership.reconcile();
      this.#tickAt(clock.monoMs() + timing.heartbeatMs);
    }, dueMs - clock.monoMs());
  }

  #listLater(): void {
    const { ledger, random, logger } = this.#options;
    const jitter = 0.75 + random.bytes(1)[0]! / 512;
    const list = async (): Promise<void> => {
      await this.list();
      if (!this.#isEnded) this.#listLater();
    };
    this.#cancelList = ledger.clock.timer(() => {
      inBackground(list(), 'listing the cluster', logger);
    }, ledger.timing.listMs * jitter);
  }

  /**
   * A node cannot see the others if the store refuses the list. Later lists make up for one that got no answer.
   *
   * @throws what `onFailure` throws
   */
  async firstList(onFailure: OnFailure | undefined): Promise<void> {
    const { clock, timing } = this.#options.ledger;
    for (;;) {
      const refusal = await this.list();
      if (refusal === undefined || this.#isEnded) return;
      onFailure?.(refusal);
      await pause(clock, timing.heartbeatMs / 3);
    }
  }

  /** Reads and compares the whole bucket, because watches may break unnoticed. Returns a refusal. */
  async list(): Promise<ClstrError | undefined> {
    const { ledger, session, absences, declaration } = this.#options;
    let entries: readonly StoreEntry[];
    try {
      entries = await ledger.store.list(ledger.timing.ackTimeoutMs);
    } catch (error) {
      return refusalOf(error);
    }
    if (this.#isEnded || entries.length === 0) return undefined;
    const config = readConfig(entries.find(({ key }) => key === CONFIG_KEY)?.value);
    if (config !== undefined && config.id !== ledger.clusterId) {
      session.fence('its cluster was re-created');
      return undefined;
    }
    ledger.learnAll(entries);
    const keys = new Set(entries.map(({ key }) => key));
    absences.onList((id) => keys.has(heartbeatKey(id)));
    this.#purge();
    declaration.restore();
    return undefined;
  }

  /** Forgets nodes that are long gone, once no shard record names them. */
  #purge(): void {
    const { ledger, logger } = this.#options;
    const nowMs = ledger.clock.monoMs();
    const owners = new Set([...ledger.shards.values()].map(({ record }) => record?.owner));
    for (const [id, { revision, record }] of ledger.members) {
      if (record === undefined || ledger.isAlive(id) || owners.has(id)) {
        this.#overSinceMs.delete(id);
        continue;
      }
      const sinceMs = this.#overSinceMs.get(id);
      if (sinceMs === undefined) this.#overSinceMs.set(id, nowMs);
      else if (nowMs - sinceMs >= PURGE_AFTER_MS) {
        this.#overSinceMs.delete(id);
        inBackground(this.#purgeNode(id, revision, record.inc), 'forgetting a node', logger);
      }
    }
  }

  async #purgeNode(id: string, revision: number, inc: string): Promise<void> {
    const { store, timing, heartbeats } = this.#options.ledger;
    const beat = heartbeats.get(id);
    const { kind } = await store.cas(memberKey(id), revision, undefined, timing.ackTimeoutMs);
    if (kind !== 'acked' || beat?.record?.inc !== inc) return;
    await store.cas(heartbeatKey(id), beat.revision, undefined, timing.ackTimeoutMs);
  }
}
