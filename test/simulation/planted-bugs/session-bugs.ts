/** Mistakes in the lease and its heartbeats. */
import type { PlantedBug } from './planted-bug.ts';

const SESSION = 'packages/core/src/cluster/heartbeat-session.ts';
const LEASE = 'packages/core/src/cluster/lease.ts';
const TIMING = 'packages/core/src/cluster/timing.ts';

export const SESSION_BUGS: readonly PlantedBug[] = [
  {
    name: 'the lease is counted from the acknowledgement',
    invariant: 'S5',
    seed: 7,
    kinds: ['flap'],
    patches: [
      {
        file: SESSION,
        find: 'this.#renew(from, leaseTerm);',
        replace: 'this.#renew(this.now(), leaseTerm);',
      },
    ],
  },
  {
    name: 'a repeated heartbeat counts from the repeat',
    invariant: 'S5',
    seed: 7,
    kinds: ['flap'],
    patches: [
      {
        file: SESSION,
        find: 'const from = this.now();\n    const result',
        replace: 'let from = this.now();\n    const result',
      },
      {
        file: SESSION,
        find: 'isWanted: () => !this.#isEnded,',
        replace: 'isWanted: () => ((from = this.now()), !this.#isEnded),',
      },
    ],
  },
  {
    name: 'the wall clock is not looked at after a suspend',
    invariant: 'S5',
    seed: 3,
    kinds: ['suspend'],
    patches: [{ file: LEASE, find: 'MAX_DIVERGENCE_MS = 500', replace: 'MAX_DIVERGENCE_MS = Infinity' }],
  },
  {
    name: 'a node is declared dead within its lease',
    invariant: 'S5',
    seed: 1,
    kinds: ['cut'],
    patches: [
      {
        file: TIMING,
        find: 'return Math.max(timing.expiryMs, shortestExpiry(leaseMs, timing.slackMs));',
        replace: 'return timing.expiryMs * 0.5 + 0 * shortestExpiry(leaseMs, timing.slackMs);',
      },
    ],
  },
  {
    name: 'the lease is not tested at admission, only by its timer',
    invariant: 'S5',
    seed: 2,
    kinds: ['pause'],
    patches: [
      {
        file: SESSION,
        find: 'if (this.#lease.isValid(nowMs)) return true;\n    this.#expire();\n    return false;',
        replace: 'return true;',
      },
      {
        file: SESSION,
        find: 'if (this.isValid()) this.#armExpiryTimer();',
        replace: 'if (this.#lease.isValid()) this.#armExpiryTimer();\n      else this.#expire();',
      },
    ],
  },
  {
    name: 'the lease is not tested when a message leaves the mailbox',
    invariant: 'S5',
    seed: 178,
    kinds: ['pause', 'slow-handlers'],
    patches: [
      {
        file: 'packages/actors/src/message-job.ts',
        find: 'if (this.lease?.isHeld === false) {',
        replace: 'if (this.lease === null) {',
      },
    ],
  },
  {
    name: 'an expired lease does not stop what runs',
    invariant: 'S10',
    seed: 63,
    kinds: ['cut', 'slow-handlers'],
    patches: [
      {
        file: 'packages/core/src/node/node.ts',
        find: "this.#dispatch.abortCalls(this.#fencedError('its lease is over'));",
        replace: "this.#fencedError('its lease is over');",
      },
    ],
  },
  {
    name: 'a joiner does not wait for the lease of another run of its id',
    invariant: 'S8',
    seed: 5_006,
    kinds: ['twin'],
    patches: [
      {
        file: 'packages/core/src/cluster/joining.ts',
        find: 'if (holder.mayLiveMs > 0 && !options.isExclusive) {',
        replace: 'if (holder.mayLiveMs < 0) {',
      },
    ],
  },
  {
    name: 'the shards of a former run are taken in its epoch',
    invariant: 'S1',
    seed: 1,
    kinds: ['restart'],
    patches: [
      {
        file: 'packages/core/src/cluster/ownership.ts',
        find: '?? 0, ledger.highestEpochs.get(shard) ?? 0) + 1;',
        replace: '?? 0, ledger.highestEpochs.get(shard) ?? 0) + (known?.record?.owner === nodeId ? 0 : 1);',
      },
    ],
  },
];
