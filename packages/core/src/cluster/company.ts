/** The members beside which one run of a node stands: whether it fits among them, and whether they are all alike. */
import { pause } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import type { ClstrError } from '../base/errors.ts';
import { expiryFor } from './timing.ts';
import type { Timing } from './timing.ts';
import { misfitAmong } from './traits.ts';
import type { MemberTraits, OtherMember } from './traits.ts';
import type { View } from './view.ts';

export interface CompanyOptions {
  readonly nodeId: string;
  readonly inc: string;
  readonly traits: MemberTraits;
  readonly view: View;
  readonly timing: Timing;
  readonly clock: Clock;
  /** Reads the whole bucket into the view. */
  readonly list: () => Promise<unknown>;
  /** When it says no: give up. */
  readonly isWanted: () => boolean;
}

/** What was seen of a member's heartbeats since the check began. */
interface Pulse {
  revision: number;
  renewals: number;
  changedMs: number;
}

/** One renewal may be an old answer followed by a newer one, of a member that died in between. */
const PROOF_OF_LIFE = 2;

export class Company {
  readonly #options: CompanyOptions;
  /** What was written later was not checked before this run declared itself. */
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
    const { nodeId, traits, view, timing, clock, list, isWanted } = this.#options;
    const pulses = new Map<string, Pulse>();
    while (isWanted()) {
      const others = this.#others();
      this.#checkedRevision = Math.max(0, ...[...view.members.values()].map(({ revision }) => revision));
      if (misfitAmong(nodeId, traits, others) === undefined) return;
      for (const { nodeId: id } of others) pulses.set(id, this.#pulseOf(id, pulses.get(id)));
      const alive = others.filter(({ nodeId: id }) => pulses.get(id)!.renewals >= PROOF_OF_LIFE);
      const misfit = misfitAmong(nodeId, traits, alive);
      if (misfit !== undefined) throw misfit;
      const mayLive = others.filter(({ nodeId: id }) => {
        const leaseMs = view.heartbeats.get(id)?.record?.leaseMs ?? timing.leaseMs;
        return clock.monoMs() - pulses.get(id)!.changedMs < expiryFor(timing, leaseMs);
      });
      if (misfitAmong(nodeId, traits, mayLive) === undefined) return;
      await pause(clock, timing.heartbeatMs / 3);
      await list();
    }
  }

  #pulseOf(nodeId: string, before: Pulse | undefined): Pulse {
    const { view, clock } = this.#options;
    const revision = view.heartbeats.get(nodeId)?.revision ?? 0;
    if (before !== undefined && revision <= before.revision) return before;
    const renewals = before === undefined ? 0 : before.renewals + 1;
    return { revision, renewals, changedMs: clock.monoMs() };
  }

  /**
   * Two that start at the same moment do not see each other when they check. The one that declared itself later is the
   * one that has to go: gives the reason when that is this run.
   */
  misfitWith(nodeId: string): ClstrError | undefined {
    const { view, inc, traits } = this.#options;
    const own = view.members.get(this.#options.nodeId);
    const other = view.members.get(nodeId);
    if (other === undefined || own?.record?.inc !== inc || own.record.state !== 'up') return undefined;
    if (other.revision <= this.#checkedRevision || other.revision > own.revision) return undefined;
    const earlier = this.#others().filter(({ nodeId: id }) => view.members.get(id)!.revision < own.revision);
    return misfitAmong(this.#options.nodeId, traits, earlier);
  }

  /** Whether another member handles other message types than this one. */
  get isMixed(): boolean {
    const { types } = this.#options.traits;
    return types !== undefined && this.#others().some(({ traits }) => (traits.types ?? types) !== types);
  }

  #others(): OtherMember[] {
    const { view, nodeId } = this.#options;
    const others: OtherMember[] = [];
    for (const [id, { record }] of view.members) {
      if (id !== nodeId && record?.traits !== undefined && view.isAlive(id)) {
        others.push({ nodeId: id, traits: record.traits });
      }
    }
    return others;
  }
}
