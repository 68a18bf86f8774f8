/** Compares one run of a node with the other members: whether it fits among them, and whether they are all alike. */
import { pause } from '../base/clock.ts';
import type { ClstrError } from '../base/errors.ts';
import type { Ledger } from './ledger.ts';
import { PROOF_OF_LIFE, pulseOf } from './joining.ts';
import type { Pulse } from './joining.ts';
import { expiryFor } from './timing.ts';
import { misfitAmong } from './traits.ts';
import type { MemberTraits, OtherMember } from './traits.ts';

export interface CompanyOptions {
  readonly nodeId: string;
  readonly inc: string;
  readonly traits: MemberTraits;
  readonly ledger: Ledger;
  /** Reads the whole bucket into the ledger. */
  readonly list: () => Promise<unknown>;
  /** Returns false when this run should give up. */
  readonly isWanted: () => boolean;
}

export class Company {
  readonly #options: CompanyOptions;
  /** This run did not check later writes before it declared itself. */
  #checkedRevision = 0;

  constructor(options: CompanyOptions) {
    this.#options = options;
  }

  /**
   * Resolves when this run may declare itself. A record outlives its process, so a member that does not fit counts once
   * its heartbeat has been seen to move, and is ignored once that has stood still for its expiry.
   *
   * @throws CLUSTER_CONFIG_MISMATCH
   */
  async check(): Promise<void> {
    const { nodeId, traits, ledger, list, isWanted } = this.#options;
    const { timing, clock } = ledger;
    const pulses = new Map<string, Pulse>();
    while (isWanted()) {
      const others = this.#others();
      this.#checkedRevision = Math.max(0, ...[...ledger.members.values()].map(({ revision }) => revision));
      if (misfitAmong(nodeId, traits, others) === undefined) return;
      for (const { nodeId: id } of others) {
        const revision = ledger.heartbeats.get(id)?.revision ?? 0;
        pulses.set(id, pulseOf(pulses.get(id), revision, clock.monoMs()));
      }
      const alive = others.filter(({ nodeId: id }) => pulses.get(id)!.renewals >= PROOF_OF_LIFE);
      const misfit = misfitAmong(nodeId, traits, alive);
      if (misfit !== undefined) throw misfit;
      const mayLive = others.filter(({ nodeId: id }) => {
        const leaseMs = ledger.heartbeats.get(id)?.record?.leaseMs ?? timing.leaseMs;
        return clock.monoMs() - pulses.get(id)!.sinceMs < expiryFor(timing, leaseMs);
      });
      if (misfitAmong(nodeId, traits, mayLive) === undefined) return;
      await pause(clock, timing.heartbeatMs / 3);
      await list();
    }
  }

  /**
   * Two runs that start at the same moment do not see each other when they check. The one that declared itself later has
   * to go: returns the reason if that is this run.
   */
  misfitWith(nodeId: string): ClstrError | undefined {
    const { ledger, inc, traits } = this.#options;
    const own = ledger.members.get(this.#options.nodeId);
    const other = ledger.members.get(nodeId);
    if (other === undefined || own?.record?.inc !== inc || own.record.state !== 'up') return undefined;
    if (other.revision <= this.#checkedRevision || other.revision > own.revision) return undefined;
    const earlier = this.#others().filter(
      ({ nodeId: id }) => ledger.members.get(id)!.revision < own.revision,
    );
    return misfitAmong(this.#options.nodeId, traits, earlier);
  }

  /** Whether another member handles other message types than this one. */
  get isMixed(): boolean {
    const { types } = this.#options.traits;
    return types !== undefined && this.#others().some(({ traits }) => (traits.types ?? types) !== types);
  }

  #others(): OtherMember[] {
    const { ledger, nodeId } = this.#options;
    const others: OtherMember[] = [];
    for (const [id, { record }] of ledger.members) {
      if (id !== nodeId && record?.traits !== undefined && ledger.isAlive(id)) {
        others.push({ nodeId: id, traits: record.traits });
      }
    }
    return others;
  }
}
