/**
 * Who watches whose heartbeat, and when silence is enough to declare a node dead. Silence alone takes nothing from
 * anybody: only the acknowledged write of the dead mark does.
 */
import type { Clock } from '../base/clock.ts';
import { hash64 } from '../placement/hash64.ts';
import type { Hash64 } from '../placement/text-hash.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';
import { seeded } from '../placement/shard.ts';
import type { ClusterStore, Watch } from './store.ts';
import { heartbeatKey, memberKey } from './records.ts';
import type { Heartbeat, MemberRecord } from './records.ts';
import type { HeartbeatSession } from './heartbeat-session.ts';
import { expiryFor } from './timing.ts';
import type { Timing } from './timing.ts';
import type { View } from './view.ts';
import { newestOf, writeUntilKnown } from './write.ts';
import type { WriteResult } from './write.ts';

/** Nodes that watch each node: so many may die together with it before only the back-stop finds out. */
const MONITORS = 3;
/** So many expiries without a new heartbeat in the full lists, and everybody suspects a node. */
const BACK_STOP_EXPIRIES = 3;

export interface MonitorOptions {
  readonly nodeId: string;
  readonly seed: string;
  readonly store: ClusterStore;
  readonly view: View;
  readonly session: HeartbeatSession;
  readonly timing: Timing;
  readonly clock: Clock;
  readonly random: Random;
  /** Watches a pattern on behalf of this run; gaps are reported to {@link Monitor.suspend}. */
  readonly watch: (pattern: string) => Watch;
}

export class Monitor {
  readonly #options: MonitorOptions;
  readonly #watches = new Map<string, Watch>();
  readonly #declaring = new Set<string>();
  readonly #places = new Map<string, Hash64>();
  /** Nothing that was silent before this is suspected for it: this node itself may have been deaf. */
  #listeningSinceMs: number;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#listeningSinceMs = options.clock.monoMs();
  }

  /** Every timer starts anew: this node was disconnected, paused, or without a lease. */
  suspend(): void {
    this.#listeningSinceMs = this.#options.clock.monoMs();
  }

  /** Watches those that this node is a monitor of, now that the members have changed. */
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

  /** Declares dead whoever has been silent for too long. Called every heartbeat. */
  check(): void {
    const { nodeId, view, session, store } = this.#options;
    if (!session.isValid() || !store.isConnected) {
      this.suspend();
      return;
    }
    for (const id of view.members.keys()) {
      if (id === nodeId || this.#declaring.has(id)) continue;
      if (view.isAlive(id)) {
        if (this.#isSuspect(id)) void this.#declareDead(id);
      } else void this.#publishDeath(id);
    }
  }

  close(): void {
    for (const open of this.#watches.values()) open.close();
    this.#watches.clear();
  }

  #isSuspect(id: string): boolean {
    const { view, session, store, clock, timing } = this.#options;
    const beat = view.heartbeats.get(id);
    if (beat?.record === undefined || beat.record.isDead) return false;
    if (!session.isValid() || !store.isConnected) return false;
    const expiryMs = expiryFor(timing, beat.record.leaseMs);
    const limitMs = this.#watches.has(id) ? expiryMs : BACK_STOP_EXPIRIES * expiryMs;
    const silentMs = clock.monoMs() - Math.max(beat.seenMs, this.#listeningSinceMs);
    return silentMs >= limitMs && session.validForMs >= expiryMs;
  }

  /** Declares the node dead: one compare-and-set on the record that it would have to renew. */
  async #declareDead(id: string): Promise<void> {
    const { view, clock, store, timing, random } = this.#options;
    const beat = view.heartbeats.get(id)!;
    this.#declaring.add(id);
    try {
      const mark: Heartbeat = { ...beat.record!, isDead: true, nonce: randomId(random, 10) };
      const result = await writeUntilKnown(
        { store, clock, ackTimeoutMs: timing.ackTimeoutMs },
        {
          key: heartbeatKey(id),
          revision: beat.revision,
          value: JSON.stringify(mark),
          isWanted: () => this.#isSuspect(id),
        },
      );
      this.#learn(result);
    } finally {
      this.#declaring.delete(id);
    }
    if (!view.isAlive(id)) await this.#publishDeath(id);
  }

  /** Tells all members of a death that only the heartbeat's record knows yet. */
  async #publishDeath(id: string): Promise<void> {
    const { view, session, clock, store, timing, random } = this.#options;
    const member = view.members.get(id);
    const beat = view.heartbeats.get(id)?.record;
    if (member?.record === undefined || beat === undefined || !view.isDead(id)) return;
    if (member.record.state === 'left' || member.record.state === 'dead' || this.#declaring.has(id)) return;
    this.#declaring.add(id);
    try {
      const record: MemberRecord = { inc: beat.inc, state: 'dead', nonce: randomId(random, 10) };
      const result = await writeUntilKnown(
        { store, clock, ackTimeoutMs: timing.ackTimeoutMs },
        {
          key: memberKey(id),
          revision: member.revision,
          value: JSON.stringify(record),
          isWanted: () => session.isValid() && view.members.get(id)?.revision === member.revision,
        },
      );
      this.#learn(result);
    } finally {
      this.#declaring.delete(id);
    }
  }

  #learn(result: WriteResult): void {
    const { view, clock } = this.#options;
    const entry = newestOf(result);
    if (entry !== undefined) view.apply(entry, clock.monoMs());
  }

  /**
   * All members stand on a ring in the order of their hashes, and each watches the ones before it: all agree on who
   * watches whom without a word, and the deliveries of heartbeats grow with the members, not with their square.
   */
  #watched(): readonly string[] {
    const { nodeId, view } = this.#options;
    const others = [...view.members.keys()].filter((id) => id !== nodeId && view.isAlive(id));
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
