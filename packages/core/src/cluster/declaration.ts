/** The member record of one incarnation: whether it wants shards, and whether it doubts its own reach. */
import { counted } from '../base/count-text.ts';
import { inBackground } from '../base/background.ts';
import type { Logger } from '../base/logger.ts';
import type { HeartbeatSession } from './heartbeat-session.ts';
import type { Ledger } from './ledger.ts';
import { memberKey } from './records.ts';
import type { MemberState } from './records.ts';
import type { OnFailure } from './refusal.ts';
import type { NodeHost } from './shards.ts';
import type { MemberTraits } from './traits.ts';

export interface DeclarationOptions {
  readonly nodeId: string;
  readonly inc: string;
  readonly weight: number;
  readonly traits: MemberTraits;
  readonly ledger: Ledger;
  readonly session: HeartbeatSession;
  readonly logger: Logger;
  readonly host: Pick<NodeHost, 'reach'>;
  /** How many shards this node holds. */
  readonly held: () => number;
}

/** What a node says about itself to all members. */
interface Word {
  readonly state: MemberState;
  readonly isInDoubt?: boolean | undefined;
}

export class Declaration {
  readonly #options: DeclarationOptions;
  #declared = '';
  /** This node is a member, and wants to stay one. */
  #isOpen = false;
  #isClosed = false;
  /** This node has given its shards to others, until messages reach it again. */
  #isAway = false;
  #isEnded = false;

  constructor(options: DeclarationOptions) {
    this.#options = options;
  }

  /** Declares this node for the first time: others may give it shards from now on. @throws what `onFailure` throws */
  async begin(onFailure: OnFailure | undefined): Promise<void> {
    this.#isAway = this.#options.host.reach() === 'lost' && !this.isAlone;
    await this.declare(this.#wanted, onFailure);
    this.#isOpen = !this.#isClosed;
  }

  /** Stops declaring changes. */
  close(): void {
    this.#isClosed = true;
    this.#isOpen = false;
  }

  /** Idempotent. */
  end(): void {
    this.#isEnded = true;
    this.close();
  }

  /** Its shards are elsewhere, or on their way, because messages do not reach this node. */
  get isAway(): boolean {
    return this.#isAway && !this.isAlone;
  }

  /** No other member can take shards. */
  get isAlone(): boolean {
    return !this.#hasPeer((id) => this.#options.ledger.isUp(id));
  }

  /**
   * Called when messages stop or start to reach this node, and at each heartbeat. The node gives its shards up only for a
   * member that does not doubt its own reach: when the bus fails for all, nothing moves.
   */
  review(): void {
    if (!this.#isOpen) return;
    const { host, ledger, logger, nodeId, held } = this.#options;
    if (host.reach() !== 'lost') this.#isAway = false;
    else if (!this.#isAway && this.#hasPeer((id) => ledger.isFit(id))) {
      this.#isAway = true;
      const shards = held();
      logger.warn(
        { event: 'node.gives_shards_up', nodeId, shards },
        `node ${nodeId} gives its ${counted(shards, 'shard')} to reachable nodes`,
      );
    }
    if (this.#declared === keyOf(this.#wanted)) return;
    inBackground(this.declare(this.#wanted), 'telling the cluster whether this node is reached', logger);
  }

  /** Writes the record again if the bucket has lost it. */
  restore(): void {
    const { ledger, session, nodeId, inc, logger } = this.#options;
    if (ledger.members.get(nodeId)?.record?.inc === inc || !this.#isOpen || !session.isValid()) return;
    inBackground(this.declare(this.#wanted), 'declaring this node up', logger);
  }

  #hasPeer(may: (nodeId: string) => boolean): boolean {
    const { ledger, nodeId } = this.#options;
    for (const id of ledger.members.keys()) if (id !== nodeId && may(id)) return true;
    return false;
  }

  get #wanted(): Word {
    const isInDoubt = this.#options.host.reach() !== 'reached' || undefined;
    return { state: this.isAway ? 'draining' : 'up', isInDoubt };
  }

  /** Resolves when all can read the word, or another one has replaced it. @throws what `onFailure` throws */
  async declare(word: Word, onFailure?: OnFailure): Promise<void> {
    const { nodeId, inc, traits, ledger, session } = this.#options;
    const weight = this.#options.weight === 1 ? undefined : this.#options.weight;
    const declared = keyOf(word);
    this.#declared = declared;
    while (!this.#isEnded) {
      const known = ledger.members.get(nodeId);
      // Another node declared this one dead; its next heartbeat will find out.
      if (known?.record?.inc === inc && known.record.state === 'dead') return;
      // This may replace the record of an earlier incarnation, but not of a later one: only while the name is certain to
      // be its own.
      const isForeign = known?.record !== undefined && known.record.inc !== inc;
      if (isForeign && !(await session.confirm())) return;
      const revision = known?.revision ?? 0;
      const record = { inc, ...word, weight, traits };
      const isWanted = (): boolean => !this.#isEnded && this.#declared === declared;
      const result = await ledger.write(memberKey(nodeId), revision, record, isWanted, onFailure);
      if (result.kind !== 'lost') return;
      if (result.newest !== undefined) continue;
      // The record is gone, and with it perhaps the bucket.
      if (!(await session.confirm())) return;
      ledger.forget(nodeId);
    }
  }
}

function keyOf({ state, isInDoubt }: Word): string {
  return `${state} ${isInDoubt === true}`;
}
