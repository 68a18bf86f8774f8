/** Mistakes in who takes which shard, and when. */
import type { Fault } from '@clstr/testing';
import type { PlantedBug } from './planted-bug.ts';

const ABSENCES = 'packages/core/src/cluster/absences.ts';
const INCARNATION = 'packages/core/src/cluster/incarnation.ts';
const MONITOR = 'packages/core/src/cluster/monitor.ts';
const OWNERSHIP = 'packages/core/src/cluster/ownership.ts';
const RECORDS = 'packages/core/src/cluster/records.ts';
const RESTORING = 'packages/core/src/cluster/restoring.ts';
const SESSION = 'packages/core/src/cluster/heartbeat-session.ts';
const LEDGER = 'packages/core/src/cluster/ledger.ts';

/**
 * A node that has lapsed does not end when its heartbeat is gone, but writes it anew. Harmless in itself: it shows what
 * re-assertion is for, which otherwise has nothing to do, as a heartbeat that gets through proves that nobody was killed.
 */
const survivesNewBucket = [
  {
    file: SESSION,
    find: "if (result.kind === 'lost') {",
    replace: `if (result.kind === 'lost' && result.newest?.value === undefined && !this.isValid()) {
      this.#revision = result.newest?.revision ?? 0;
    } else if (result.kind === 'lost') {`,
  },
];

/** Records that do not say for which bucket they are: those of an earlier one would be nobody's. */
const believesOtherBuckets = [
  {
    file: RECORDS,
    find: 'record.cluster === clusterId) return record;',
    replace: 'record.cluster !== undefined) return record;',
  },
];

const noReassertion = [
  {
    file: OWNERSHIP,
    find: '|| !session.isValid(nowMs) || heldShard.confirmedInTerm !== session.leaseTerm)\n      return false;',
    replace: '|| !session.isValid()) return false;',
  },
  {
    file: OWNERSHIP,
    find: 'if (heldShard.confirmedInTerm !== session.leaseTerm) return () => this.#confirm(shard, heldShard);',
    replace: 'if (heldShard.confirmedInTerm < -1) return () => this.#confirm(shard, heldShard);',
  },
];

/**
 * The bucket is lost just before the first shards are taken. A second process of a node's id finds a new bucket; the first
 * one, still on a heartbeat of the old bucket, takes shards in the new one and is cut off.
 */
function lostBeforeTheFirstShard(seed: number): readonly Fault[] {
  const part = (factor: number): number => (seed * factor) % 1;
  const lostMs = Math.round(1_900 + 1_200 * part(0.618_033_988_7));
  const fault = { node: 0, salt: 1 };
  return [
    { ...fault, kind: 'delete-bucket', atMs: lostMs, durationMs: 0 },
    { ...fault, kind: 'twin', atMs: lostMs + 1, durationMs: 10_000 },
    { ...fault, kind: 'cut', atMs: Math.round(lostMs + 20 + 500 * part(0.414_213_562_3)), durationMs: 8_000 },
  ];
}

/**
 * The bucket is lost while one node, whose marks were purged, joins again and does not reach the store, and just after
 * another, an owner, was left alone: the first comes back to a new bucket while the second one's lease runs on.
 */
function lostWhileJoining(seed: number): readonly Fault[] {
  const part = (factor: number): number => (seed * factor) % 1;
  const atMs = Math.round(6_000 + 5_000 * part(0.618_033_988_7));
  const lostMs = atMs + 3_050 + Math.round(200 * part(0.414_213_562_3));
  const joiner = { node: 0, salt: 1 };
  return [
    { ...joiner, kind: 'purge-marks', atMs, durationMs: 0 },
    { ...joiner, kind: 'cut', atMs: atMs + 450, durationMs: lostMs - atMs - 350 },
    { kind: 'black-hole', atMs: lostMs - 50, durationMs: 3_000, node: 1, salt: 1 },
    { ...joiner, kind: 'delete-bucket', atMs: lostMs, durationMs: 0 },
  ];
}

/**
 * The marks of a node whose store is slow are purged, and it dies before it has its name again. At times it has listed the
 * bucket in between, and said once more that it is up: a member without a heartbeat.
 */
function purgedBeforeItDies(seed: number): readonly Fault[] {
  const atMs = Math.round(6_000 + 5_000 * ((seed * 0.618_033_988_7) % 1));
  const node = { node: seed, salt: 110 };
  return [
    { ...node, kind: 'slow-store', atMs: atMs - 300, durationMs: 1_200 },
    { ...node, kind: 'purge-marks', atMs, durationMs: 0 },
    { ...node, kind: 'crash', atMs: atMs + 1_000, durationMs: 100_000 },
  ];
}

/**
 * The write that releases a shard is sent once, and whatever became of it, forgotten. Harmless in itself, as a record in
 * a run's own name is only believed by a write on it; otherwise it is known whose the record is before it is looked at.
 */
const releasesOnce = [
  {
    file: OWNERSHIP,
    find: "await this.#write(shard, revision, { epoch, owner: nodeId, inc, state: 'released', carries });",
    replace: `const { ledger } = this.#options;
      const released = ledger.encode({ epoch, owner: nodeId, inc, state: 'released', carries });
      await ledger.store.cas(shardKey(shard), revision, released, ledger.timing.ackTimeoutMs);`,
  },
];

export const OWNERSHIP_BUGS: readonly PlantedBug[] = [
  {
    name: 'silence alone takes a shard, without the write that kills',
    invariant: 'S5',
    seed: 1,
    kinds: ['deaf'],
    patches: [
      {
        file: MONITOR,
        find: 'await ledger.write(heartbeatKey(id), beat.revision, mark, () => this.#isSuspect(id));',
        replace: `await Promise.resolve();
      ledger.learn({ key: heartbeatKey(id), revision: beat.revision + 0.5, value: JSON.stringify(mark) });`,
      },
    ],
  },
  {
    name: 'the timers of a monitor run on through an outage',
    invariant: 'L3',
    seed: 407,
    kinds: ['outage'],
    patches: [
      {
        file: MONITOR,
        find: 'suspend(): void {\n    this.#listeningSinceMs = this.#options.ledger.clock.monoMs();',
        replace: 'suspend(): void {',
      },
    ],
  },
  {
    name: 'after the lease expired a node goes on without asserting its shards, in a bucket made anew',
    invariant: 'S5',
    seed: 155,
    kinds: ['delete-bucket', 'cut', 'pause', 'join'],
    patches: [...survivesNewBucket, ...noReassertion],
    harmless: survivesNewBucket,
  },
  {
    name: 'a write without an answer counts as lost, and is forgotten',
    invariant: 'L2',
    seed: 1,
    kinds: ['lossy-answers', 'join', 'leave'],
    patches: [
      {
        file: OWNERSHIP,
        find: `const result = await this.#write(shard, revision, { epoch, owner: nodeId, inc, state: 'owned' });
    if (result.kind !== 'acked') return;`,
        replace: `const result = await this.#options.ledger.store
      .cas(shardKey(shard), revision, JSON.stringify({ epoch, owner: nodeId, inc, state: 'owned', nonce: '' }), 250)
      .then((outcome) =>
        outcome.kind === 'acked'
          ? { kind: 'acked', entry: { revision: outcome.revision } }
          : { kind: 'lost', entry: { revision: 0 } },
      );
    if (result.kind !== 'acked') return;`,
      },
      {
        file: OWNERSHIP,
        find: "if (record?.state === 'owned' && record.owner === nodeId && record.inc === inc) {",
        replace: "if (record?.state === 'owned' && record.owner === '') {",
      },
    ],
  },
  {
    name: 'another run is believed in from a word older than the record',
    invariant: 'S5',
    seed: 252,
    kinds: ['deaf', 'crash', 'broken-watches', 'join', 'leave'],
    patches: [
      {
        file: LEDGER,
        find: 'known.record.inc !== inc && known.revision > revision;',
        replace: 'known.record.inc !== inc && revision > 0;',
      },
    ],
  },
  {
    name: 'a record in its own name is believed without a write',
    invariant: 'S5',
    seed: 4,
    kinds: ['late-writes', 'deaf', 'join', 'leave'],
    patches: [
      ...releasesOnce,
      {
        file: OWNERSHIP,
        find: "if (result.kind === 'acked')\n      await this.#hold(shard, epoch, result.entry.revision, confirmedInTerm, false);",
        replace: 'await this.#hold(shard, epoch, revision, confirmedInTerm, false);',
      },
      {
        file: OWNERSHIP,
        find: `    const confirmedInTerm = this.#options.session.leaseTerm;
    const result = await this.#write(shard, revision, { epoch, owner, inc, state: 'owned' });
`,
        replace: `    const confirmedInTerm = this.#options.session.leaseTerm + 0 * (owner.length + inc.length);
`,
      },
    ],
    harmless: releasesOnce,
  },
  {
    name: 'a record that was created is served before a heartbeat proves the bucket',
    invariant: 'S5',
    seed: 1,
    schedule: lostBeforeTheFirstShard,
    patches: [
      {
        file: OWNERSHIP,
        find: 'if (isCreated && !(await session.confirm())) heldShard.confirmedInTerm = -1;',
        replace: 'if (isCreated && !session.isValid()) heldShard.confirmedInTerm = -1;',
      },
      ...believesOtherBuckets,
    ],
    harmless: believesOtherBuckets,
  },
  {
    name: 'a shard is released before its handlers have ended',
    invariant: 'S10',
    seed: 15,
    kinds: ['join', 'leave', 'slow-handlers'],
    patches: [
      { file: OWNERSHIP, find: 'await host.handOver(shard);', replace: 'void host.handOver(shard);' },
    ],
  },
  {
    name: 'after the loss of the bucket shards are free at once',
    invariant: 'S5',
    seed: 6,
    kinds: ['delete-bucket', 'cut', 'join'],
    patches: [
      {
        file: RESTORING,
        find: "{ epoch, owner: '', inc: '', state: 'restored' }",
        replace: "{ epoch, owner: '', inc: '', state: 'released' }",
      },
    ],
  },
  {
    name: 'a shard without a record is taken at once',
    invariant: 'S5',
    seed: 6,
    kinds: ['delete-bucket', 'cut', 'join'],
    patches: [
      {
        file: OWNERSHIP,
        find: 'return this.#rest.isWaitOver(known) && this.#rest.isStable',
        replace: 'return this.#rest.isWaitOver(known) || this.#rest.isStable',
      },
    ],
  },
  {
    name: 'the wait for earlier owners begins before the bucket is known',
    invariant: 'S5',
    seed: 176,
    schedule: lostWhileJoining,
    patches: [{ file: INCARNATION, find: 'this.ownership.onBucket(isNew);', replace: '' }],
  },
  {
    name: 'nobody declares dead a member that has no heartbeat',
    invariant: 'L2',
    seed: 19,
    schedule: purgedBeforeItDies,
    patches: [
      {
        file: ABSENCES,
        find: 'if (record !== undefined) name(nodeId, record.inc, revision);',
        replace: 'if (record !== undefined && revision < 0) name(nodeId, record.inc, revision);',
      },
    ],
  },
  {
    name: 'a run that dies before it has declared itself leaves the run before it a member',
    invariant: 'L2',
    seed: 7,
    schedule: purgedBeforeItDies,
    patches: [
      { file: LEDGER, find: '|| beat.revision > member.revision;', replace: '|| beat.revision < 0;' },
    ],
  },
  {
    name: 'the epoch is not raised',
    invariant: 'S1',
    seed: 1,
    kinds: ['join', 'leave'],
    patches: [
      {
        file: OWNERSHIP,
        find: 'ledger.highestEpochs.get(shard) ?? 0) + 1;',
        replace: 'ledger.highestEpochs.get(shard) ?? 0, 1);',
      },
    ],
  },
  {
    name: 'epochs begin anew with a new bucket',
    invariant: 'S1',
    seed: 1,
    kinds: ['delete-bucket'],
    patches: [
      {
        file: OWNERSHIP,
        find: 'const epoch = Math.max(known?.record?.epoch ?? 0, ledger.highestEpochs.get(shard) ?? 0) + 1;',
        replace: 'const epoch = (known?.record?.epoch ?? ledger.shards.size * 0) + 1;',
      },
      {
        file: RESTORING,
        find: 'return highest > 0 && (record === undefined',
        replace: 'return highest < 0 && (record === undefined',
      },
    ],
  },
  {
    name: 'a node that joins is given its shards again and again',
    invariant: 'L4',
    seed: 24,
    kinds: ['join', 'leave'],
    patches: [
      {
        file: LEDGER,
        find: "return this.members.get(nodeId)?.record?.state === 'up' && !this.isDead(nodeId);",
        replace:
          "return this.members.get(nodeId)?.record?.state === 'up' && !this.isDead(nodeId) && this.heartbeats.get(nodeId)?.record?.beat !== 25;",
      },
    ],
  },
];
