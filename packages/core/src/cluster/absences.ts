/** Runs that records name although no heartbeat of them is left: no monitor sees such a run fall silent. */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';
import type { ClusterStore } from './store.ts';
import { heartbeatKey } from './records.ts';
import type { Heartbeat } from './records.ts';
import type { HeartbeatSession } from './heartbeat-session.ts';
import type { Timing } from './timing.ts';
import type { View } from './view.ts';
import { newestOf, writeUntilKnown } from './write.ts';

export interface AbsencesOptions {
  readonly store: ClusterStore;
  readonly view: View;
  readonly session: HeartbeatSession;
  readonly timing: Timing;
  readonly clock: Clock;
  readonly random: Random;
}

/** A run without a heartbeat. */
interface Absence {
  readonly inc: string;
  /** When a full list first showed it: the absence of another run of the node proves nothing. */
  readonly sinceMs: number;
}

export class Absences {
  readonly #options: AbsencesOptions;
  /** By node. */
  #absences: ReadonlyMap<string, Absence> = new Map();
  readonly #marking = new Set<string>();

  constructor(options: AbsencesOptions) {
    this.#options = options;
  }

  /** A full list of the bucket was applied to the view: `hasHeartbeat` says whose heartbeats it had. */
  onList(hasHeartbeat: (nodeId: string) => boolean): void {
    const nowMs = this.#options.clock.monoMs();
    const absences = new Map<string, Absence>();
    for (const [nodeId, inc] of this.#named()) {
      if (hasHeartbeat(nodeId)) continue;
      const before = this.#absences.get(nodeId);
      absences.set(nodeId, before?.inc === inc ? before : { inc, sinceMs: nowMs });
    }
    this.#absences = absences;
  }

  /** Declares dead each run whose heartbeat has been absent for an expiry. Called every heartbeat. */
  check(): void {
    for (const [nodeId, absence] of this.#absences) {
      if (!this.#marking.has(nodeId) && this.#isDue(nodeId, absence)) void this.#markDead(nodeId, absence);
    }
  }

  /** The newest run of each node that owns a shard or is a member, unless it is known to be gone. */
  #named(): Map<string, string> {
    const { view } = this.#options;
    const runs = new Map<string, string>();
    const revisions = new Map<string, number>();
    const name = (nodeId: string, inc: string, revision: number): void => {
      if (revision < (revisions.get(nodeId) ?? 0) || view.isGone(nodeId, inc, revision)) return;
      runs.set(nodeId, inc);
      revisions.set(nodeId, revision);
    };
    for (const { record, revision } of view.shards.values()) {
      if (record?.state === 'owned') name(record.owner, record.inc, revision);
    }
    for (const [nodeId, { record, revision }] of view.members) {
      if (record !== undefined) name(nodeId, record.inc, revision);
    }
    return runs;
  }

  #isDue(nodeId: string, { inc, sinceMs }: Absence): boolean {
    const { view, session, store, clock, timing } = this.#options;
    if (!session.isValid() || !store.isConnected) return false;
    if (this.#absences.get(nodeId)?.inc !== inc) return false;
    // Lists may be old: a heartbeat that was heard of meanwhile begins the wait anew.
    const heardMs = view.heartbeats.get(nodeId)?.seenMs ?? sinceMs;
    return clock.monoMs() - Math.max(sinceMs, heardMs) >= timing.expiryMs;
  }

  async #markDead(nodeId: string, absence: Absence): Promise<void> {
    const { store, clock, timing, view, random } = this.#options;
    const mark: Heartbeat = {
      inc: absence.inc,
      beat: 0,
      leaseMs: timing.leaseMs,
      isDead: true,
      nonce: randomId(random, 10),
    };
    this.#marking.add(nodeId);
    try {
      const result = await writeUntilKnown(
        { store, clock, ackTimeoutMs: timing.ackTimeoutMs },
        {
          key: heartbeatKey(nodeId),
          revision: view.heartbeats.get(nodeId)?.revision ?? 0,
          value: JSON.stringify(mark),
          isWanted: () => this.#isDue(nodeId, absence),
        },
      );
      const entry = newestOf(result);
      if (entry !== undefined) view.apply(entry, clock.monoMs());
    } finally {
      this.#marking.delete(nodeId);
    }
  }
}
