/** Finds runs that records name although their heartbeat is gone: no monitor sees such a run fall silent. */
import { heartbeatKey } from './records.ts';
import type { HeartbeatSession } from './heartbeat-session.ts';
import type { Ledger } from './ledger.ts';

/** A run without a heartbeat. */
interface Absence {
  readonly inc: string;
  /** When a full list first showed the absence. That of another run of the node proves nothing. */
  readonly sinceMs: number;
}

export class Absences {
  readonly #ledger: Ledger;
  readonly #session: HeartbeatSession;
  /** By node. */
  #absences: ReadonlyMap<string, Absence> = new Map();
  readonly #marking = new Set<string>();

  constructor(ledger: Ledger, session: HeartbeatSession) {
    this.#ledger = ledger;
    this.#session = session;
  }

  /** The ledger has learned a full list of the bucket: `hasHeartbeat` says whose heartbeats were in it. */
  onList(hasHeartbeat: (nodeId: string) => boolean): void {
    const nowMs = this.#ledger.clock.monoMs();
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
    const ledger = this.#ledger;
    const runs = new Map<string, string>();
    const revisions = new Map<string, number>();
    const name = (nodeId: string, inc: string, revision: number): void => {
      if (revision < (revisions.get(nodeId) ?? 0) || ledger.isGone(nodeId, inc, revision)) return;
      runs.set(nodeId, inc);
      revisions.set(nodeId, revision);
    };
    for (const { record, revision } of ledger.shards.values()) {
      if (record?.state === 'owned') name(record.owner, record.inc, revision);
    }
    for (const [nodeId, { record, revision }] of ledger.members) {
      if (record !== undefined) name(nodeId, record.inc, revision);
    }
    return runs;
  }

  #isDue(nodeId: string, { inc, sinceMs }: Absence): boolean {
    const { heartbeats, store, clock, timing } = this.#ledger;
    if (!this.#session.isValid() || !store.isConnected) return false;
    if (this.#absences.get(nodeId)?.inc !== inc) return false;
    // Lists may be old: a heartbeat that arrived in the meantime begins the wait anew.
    const heardMs = heartbeats.get(nodeId)?.seenMs ?? sinceMs;
    return clock.monoMs() - Math.max(sinceMs, heardMs) >= timing.expiryMs;
  }

  async #markDead(nodeId: string, absence: Absence): Promise<void> {
    const ledger = this.#ledger;
    const { leaseMs } = ledger.timing;
    this.#marking.add(nodeId);
    try {
      await ledger.write(
        heartbeatKey(nodeId),
        ledger.heartbeats.get(nodeId)?.revision ?? 0,
        { inc: absence.inc, beat: 0, leaseMs, isDead: true },
        () => this.#isDue(nodeId, absence),
      );
    } finally {
      this.#marking.delete(nodeId);
    }
  }
}
