/**
 * Who watches whose heartbeat, and when silence is enough to declare a node dead. Silence alone takes nothing from
 * anybody: only the acknowledged write of the dead mark does.
 */
import { hash64 } from '../placement/hash64.ts';
import type { Hash64 } from '../placement/text-hash.ts';
import { seeded } from '../placement/shard.ts';
import type { Watch } from './store.ts';
import { heartbeatKey, memberKey } from './records.ts';
import type { HeartbeatSession } from './heartbeat-session.ts';
import type { Ledger } from './ledger.ts';
import { expiryFor } from './timing.ts';

/** How many nodes watch each node: if all of them die together with it, only the back-stop finds out. */
const MONITORS = 3;
/** After this many expiries without a new heartbeat in the full lists, every member suspects the node. */
const BACK_STOP_EXPIRIES = 3;

export interface MonitorOptions {
  readonly nodeId: string;
  readonly seed: string;
  readonly ledger: Ledger;
  readonly session: HeartbeatSession;
  /** Watches a pattern for this run; a gap calls {@link Monitor.suspend}. */
  readonly watch: (pattern: string) => Watch;
}

export class Monitor {
  readonly #options: MonitorOptions;
  readonly #watches = new Map<string, Watch>();
  readonly #declaring = new Set<string>();
  readonly #places = new Map<string, Hash64>();
  /** Silence before this time makes no node suspect: this node may have received nothing. */
  #listeningSinceMs: number;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#listeningSinceMs = options.ledger.clock.monoMs();
  }

  /** Restarts every timer, because this node was disconnected, paused, or without a lease. */
  suspend(): void {
    this.#listeningSinceMs = this.#options.ledger.clock.monoMs();
  }

  /** Watches the nodes that this one monitors, now that the members have changed. */
  assign(): void {
    const mine = new Set(this.#watched());
    for (const [id, open] of this.#watches) {
      if (mine.has(id)) continue;
      open.close();
      this.#watches.delete(id);
    }
    for (const id of mine) {
      if (!this.#watches.has(id)) this.#watches.set(id, this.#options.watch(heartbeatKey(id)));
    }
  }

  /** Declares dead each node that has been silent for too long. Called every heartbeat. */
  check(): void {
    const { nodeId, ledger, session } = this.#options;
    if (!session.isValid() || !ledger.store.isConnected) {
      this.suspend();
      return;
    }
    for (const id of ledger.members.keys()) {
      if (id === nodeId || this.#declaring.has(id)) continue;
      if (ledger.isAlive(id)) {
        if (this.#isSuspect(id)) void this.#declareDead(id);
      } else void this.#publishDeath(id);
    }
  }

  close(): void {
    for (const open of this.#watches.values()) open.close();
    this.#watches.clear();
  }

  #isSuspect(id: string): boolean {
    const { ledger, session } = this.#options;
    const { store, clock, timing } = ledger;
    const beat = ledger.heartbeats.get(id);
    if (beat?.record === undefined || beat.record.isDead) return false;
    if (!session.isValid() || !store.isConnected) return false;
    const expiryMs = expiryFor(timing, beat.record.leaseMs);
    const limitMs = this.#watches.has(id) ? expiryMs : BACK_STOP_EXPIRIES * expiryMs;
    const silentMs = clock.monoMs() - Math.max(beat.seenMs, this.#listeningSinceMs);
    return silentMs >= limitMs && session.validForMs >= expiryMs;
  }

  /** Declares the node dead: one compare-and-set on the record that it would have to renew. */
  async #declareDead(id: string): Promise<void> {
    const { ledger } = this.#options;
    const beat = ledger.heartbeats.get(id)!;
    this.#declaring.add(id);
    try {
      const mark = { ...beat.record!, isDead: true };
      await ledger.write(heartbeatKey(id), beat.revision, mark, () => this.#isSuspect(id));
    } finally {
      this.#declaring.delete(id);
    }
    if (!ledger.isAlive(id)) await this.#publishDeath(id);
  }

  /** Publishes to all members a death that only the heartbeat record shows yet. */
  async #publishDeath(id: string): Promise<void> {
    const { ledger, session } = this.#options;
    const member = ledger.members.get(id);
    const beat = ledger.heartbeats.get(id)?.record;
    if (member?.record === undefined || beat === undefined || !ledger.isDead(id)) return;
    if (member.record.state === 'left' || member.record.state === 'dead' || this.#declaring.has(id)) return;
    this.#declaring.add(id);
    try {
      const { revision } = member;
      const isWanted = (): boolean => session.isValid() && ledger.members.get(id)?.revision === revision;
      await ledger.write(memberKey(id), revision, { inc: beat.inc, state: 'dead' }, isWanted);
    } finally {
      this.#declaring.delete(id);
    }
  }

  /**
   * All members stand on a ring in the order of their hashes, and each watches the ones before it: all agree on who
   * watches whom without messages, and heartbeat deliveries grow with the members, not with their square.
   */
  #watched(): readonly string[] {
    const { nodeId, ledger } = this.#options;
    const others = [...ledger.members.keys()].filter((id) => id !== nodeId && ledger.isAlive(id));
    const ring = [nodeId, ...others].sort(
      (a, b) => compareHashes(this.#place(a), this.#place(b)) || (a < b ? -1 : 1),
    );
    const me = ring.indexOf(nodeId);
    return Array.from(
      { length: Math.min(MONITORS, others.length) },
      (_, i) => ring[(me - 1 - i + ring.length) % ring.length]!,
    );
  }

  #place(id: string): Hash64 {
    let place = this.#places.get(id);
    if (place === undefined) {
      place = hash64(seeded(this.#options.seed, `monitor:${id}`));
      this.#places.set(id, place);
    }
    return place;
  }
}

function compareHashes(a: Hash64, b: Hash64): number {
  return a.high - b.high || a.low - b.low;
}
