/** Mistakes in how messages find their node, and how often they run. */
import type { PlantedBug } from './planted-bug.ts';

const CALL = 'packages/core/src/client/call.ts';
const HOLD_QUEUE = 'packages/core/src/client/hold-queue.ts';
const RECEIVERS = 'packages/core/src/node/receivers.ts';

export const CLIENT_BUGS: readonly PlantedBug[] = [
  {
    name: 'what may have run is repeated',
    invariant: 'S6',
    seed: 76,
    kinds: ['cut', 'slow-handlers'],
    patches: [
      {
        file: CALL,
        find: 'this.mayRepeat && REPEATED.has(error.code)',
        replace: 'REPEATED.has(error.code)',
      },
    ],
  },
  {
    name: 'a call that is repeated ends with the outcome of its last attempt',
    invariant: 'S6',
    seed: 414,
    kinds: ['cut', 'leave', 'slow-handlers'],
    patches: [
      {
        file: CALL,
        find: 'isStronger(this.#strongest, last.outcome)',
        replace: 'isStronger(last.outcome, last.outcome)',
      },
    ],
  },
  {
    name: 'what may have run is sent again to a new owner',
    invariant: 'S6',
    seed: 6,
    kinds: ['black-hole', 'slow-handlers'],
    patches: [
      {
        file: CALL,
        find: 'if (!this.mayRepeat || this.isNotify || this.attempt === 0) return false;',
        replace: 'if (this.isNotify || this.attempt === 0) return false;',
      },
    ],
  },
  {
    name: 'a client believes an older owner',
    invariant: 'S9',
    seed: 32,
    kinds: ['deaf', 'broken-watches', 'leave', 'join'],
    patches: [
      {
        file: 'packages/core/src/client/topology.ts',
        find: 'if (epoch <= routes.epochOf(shard)) return;',
        replace: 'if (epoch === routes.epochOf(shard)) return;',
      },
    ],
  },
  {
    name: 'who has lost a shard answers on its subject',
    invariant: 'S6',
    seed: 138,
    kinds: ['cut'],
    patches: [
      {
        file: RECEIVERS,
        find: 'if (mayAnswer) dispatch.onEntry(entry, port);',
        replace: 'dispatch.onEntry(entry, port);',
      },
    ],
  },
  {
    name: 'a handler that was stopped is reported as not executed',
    invariant: 'S6',
    seed: 10,
    kinds: ['cut', 'slow-handlers'],
    patches: [
      {
        file: 'packages/core/src/node/node.ts',
        find: "return new ClstrError('FENCED', `node ${this.id} stopped the handler: ${why}`);",
        replace:
          "return new ClstrError('FENCED', `node ${this.id} stopped the handler: ${why}`, { outcome: 'not-executed' });",
      },
    ],
  },
  {
    name: 'a new call overtakes one that waits to be repeated',
    invariant: 'S7',
    seed: 1,
    kinds: ['join', 'leave'],
    patches: [
      {
        file: HOLD_QUEUE,
        find: 'return this.#lines.size > 0 && key !== undefined && this.#lines.has(key);',
        replace: 'return this.#lines.size < 0 && key !== undefined && this.#lines.has(key);',
      },
    ],
  },
  {
    name: 'messages that wait run last in, first out',
    invariant: 'S7',
    seed: 1,
    kinds: ['pause', 'slow-handlers'],
    patches: [
      {
        file: 'packages/actors/src/mailbox.ts',
        find: 'const turn = this.#first;',
        replace: 'const turn = this.#last ?? this.#first;',
      },
    ],
  },
  {
    name: 'a refused call is repeated without end',
    invariant: 'L5',
    seed: 1,
    kinds: ['cut', 'leave'],
    patches: [{ file: CALL, find: 'this.#host.deadlines.add(this);', replace: 'void this.#host.deadlines;' }],
  },
];
