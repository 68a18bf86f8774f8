/** Mistakes in how durable actors load, store and answer. */
import type { PlantedBug } from './planted-bug.ts';

const ACTOR = 'packages/durable/src/durable-actor.ts';
const EVENTS = 'packages/durable/src/event-sourced.ts';
const LOG = 'packages/durable/src/state-log.ts';
const STORE = 'packages/transport-memory/src/memory-logs.ts';

/** What each of them is found by: the histories of durable counters. */
const DURABLE = { invariant: 'CHECK', isDurable: true } as const;

export const DURABLE_BUGS: readonly PlantedBug[] = [
  {
    ...DURABLE,
    name: 'a reply leaves before its turn is stored',
    seed: 5,
    patches: [
      {
        file: ACTOR,
        find: 'message.heldUntil = this.#last?.stored;',
        replace: 'message.heldUntil = undefined;',
      },
    ],
  },
  {
    ...DURABLE,
    name: 'a compare-and-set is made for the first record of a key alone',
    seed: 5,
    patches: [
      {
        file: STORE,
        find: '(records.at(-1)?.revision ?? 0) !== revision',
        replace: 'revision === 0 && records.length > 0',
      },
    ],
  },
  {
    ...DURABLE,
    name: 'a snapshot is ahead of its events',
    seed: 3,
    patches: [
      {
        file: EVENTS,
        find: "jsonOf(state, 'the state')}]`",
        replace: "jsonOf(this.state, 'the state')}]`",
      },
    ],
  },
  {
    ...DURABLE,
    name: 'a part of a log is taken for the whole',
    seed: 1,
    patches: [
      {
        file: STORE,
        find: 'records: records.slice(Math.max(0, whole))',
        replace: 'records: records.slice(Math.max(0, whole)).slice(0, 3)',
      },
    ],
  },
  {
    ...DURABLE,
    name: 'the reply of a keyed call is kept in memory, not with its turn',
    seed: 1,
    patches: [
      {
        file: ACTOR,
        find: 'replies: isWhole ? [...this.#replies.texts, ...texts] : texts,',
        replace: 'replies: [],',
      },
    ],
  },
  {
    ...DURABLE,
    name: 'a handler that throws leaves its changes in memory',
    seed: 1,
    patches: [
      {
        file: ACTOR,
        find: 'if (!isReadonly) this.#model.rollback();',
        replace: '',
      },
    ],
  },
  {
    ...DURABLE,
    name: 'a write without an answer counts as stored',
    seed: 6,
    patches: [
      {
        file: LOG,
        find: "if (outcome.kind === 'lost') {",
        replace: "if (outcome.kind === 'unknown') return;\n      if (outcome.kind === 'lost') {",
      },
    ],
  },
  {
    ...DURABLE,
    name: 'a refused write is sent again at the newest revision',
    seed: 271,
    patches: [
      {
        file: LOG,
        find: "if (isFirst) throw notStored(name, 'another owner has written the key');",
        replace: 'this.#revision = (await store.load(place, REQUEST_MS)).revision;',
      },
    ],
  },
];
