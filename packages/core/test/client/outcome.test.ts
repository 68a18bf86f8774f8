/** The outcome of a call is the strongest of all its attempts, whatever became of them and however the call ends. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import { TOPOLOGY_TYPE } from '../../src/wire/envelope.ts';
import { ClstrError } from '../../src/base/errors.ts';
import type { ErrorCode, Outcome } from '../../src/base/errors.ts';
import type { Routing } from '../../src/index.ts';
import { ManualClock } from '../manual-clock.ts';
import { ScriptedTransport } from '../scripted-transport.ts';
import type { Sent } from '../scripted-transport.ts';

const TIMEOUT_MS = 10_000;
const SHARD = 3;

/** What becomes of the attempt that is under way, or of the world around it. */
type Step =
  | { readonly kind: 'leaves' }
  | { readonly kind: 'refused'; readonly code: ErrorCode }
  /** The transport or the node says that nobody knows. */
  | { readonly kind: 'lost'; readonly code: ErrorCode; readonly outcome: 'unknown' | 'executed' }
  | { readonly kind: 'unsent'; readonly code: ErrorCode }
  | { readonly kind: 'time passes'; readonly ms: number }
  | { readonly kind: 'new owner' };

type End = 'deadline' | 'abort' | 'close' | 'transport closed' | 'refused for good';

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constant<Step>({ kind: 'leaves' }),
  fc
    .constantFrom<ErrorCode>('NO_SUBSCRIBER', 'NOT_OWNER', 'MOVED', 'DRAINING', 'OVERLOADED')
    .map((code): Step => ({ kind: 'refused', code })),
  fc
    .tuple(
      fc.constantFrom<ErrorCode>('CONNECTION_LOST', 'FENCED', 'ABORTED'),
      fc.constantFrom('unknown' as const, 'unknown' as const, 'executed' as const),
    )
    .map(([code, outcome]): Step => ({ kind: 'lost', code, outcome })),
  fc.constantFrom<ErrorCode>('OVERLOADED', 'NO_SUBSCRIBER').map((code): Step => ({ kind: 'unsent', code })),
  fc.integer({ min: 1, max: 1_500 }).map((ms): Step => ({ kind: 'time passes', ms })),
  fc.constant<Step>({ kind: 'new owner' }),
);

const end = fc.constantFrom<End>('deadline', 'abort', 'close', 'transport closed', 'refused for good');

interface Attempt {
  readonly sent: Sent;
  hasLeft: boolean;
  isOver: boolean;
  outcome: Outcome;
}

/** One call, and what its attempts did in truth. */
class History {
  readonly transport = new ScriptedTransport();
  readonly #clock = new ManualClock(1_000_000);
  readonly #client;
  readonly #controller = new AbortController();
  readonly #attempts: Attempt[] = [];
  readonly ended: Promise<unknown>;
  #seen = 0;
  #epoch = 1;

  constructor(routing: Routing, idempotent: boolean) {
    const { transport } = this;
    this.#client = createClient({ transport, clock: this.#clock, numShards: 16, routing });
    this.#tellOwner();
    const options = { idempotent, timeoutMs: TIMEOUT_MS, signal: this.#controller.signal };
    this.ended = this.#client.requestShard(SHARD, 'Charge', null, options).then(
      () => 'ok',
      (error: unknown) => error,
    );
    this.#look();
  }

  /** The strongest of what became of all attempts. */
  get truth(): Outcome {
    const outcomes = this.#attempts.map(({ outcome }) => outcome);
    if (outcomes.includes('executed')) return 'executed';
    return outcomes.includes('unknown') ? 'unknown' : 'not-executed';
  }

  do(next: Step): void {
    const current = this.#current;
    if (next.kind === 'time passes') this.#clock.advance(next.ms);
    else if (next.kind === 'new owner') this.#move();
    else if (current !== undefined) this.#answer(current, next);
    this.#look();
  }

  async end(how: End): Promise<void> {
    const current = this.#current;
    if (how === 'abort') this.#controller.abort();
    else if (how === 'close') await this.#client.close();
    else if (how === 'transport closed' && current !== undefined) {
      const outcome = current.hasLeft ? 'unknown' : 'not-executed';
      current.sent.fail(new ClstrError('TRANSPORT_CLOSED', 'closed', { outcome }));
    } else if (how === 'refused for good' && current !== undefined) {
      this.#answer(current, { kind: 'refused', code: 'INVALID_ENVELOPE' });
    }
    // A call that waits to be repeated has no attempt that could end: its deadline comes.
    this.#clock.advance(2 * TIMEOUT_MS);
  }

  get #current(): Attempt | undefined {
    const last = this.#attempts.at(-1);
    const isOpen =
      last !== undefined && !last.isOver && !this.transport.cancelled.includes(last.sent.attempt);
    return isOpen ? last : undefined;
  }

  #answer(current: Attempt, next: Step): void {
    if (next.kind === 'leaves') {
      if (current.hasLeft) return;
      current.hasLeft = true;
      current.outcome = 'unknown';
      current.sent.leave();
      return;
    }
    if (next.kind === 'unsent') {
      if (current.hasLeft) return;
      current.isOver = true;
      current.sent.fail(new ClstrError(next.code, 'not sent'));
      return;
    }
    current.hasLeft = true;
    current.isOver = true;
    if (next.kind === 'refused') {
      current.outcome = 'not-executed';
      current.sent.refuse(new ClstrError(next.code, 'refused'));
    } else if (next.kind === 'lost') {
      current.outcome = next.outcome;
      current.sent.refuse(new ClstrError(next.code, 'lost', { outcome: next.outcome }));
    }
  }

  /** Another node owns the shard, and the client learns it. */
  #move(): void {
    this.#epoch++;
    this.transport.announceTo?.(undefined);
    this.#clock.advance(300);
    this.#tellOwner();
    this.#clock.advance(300);
  }

  #tellOwner(): void {
    const question = this.transport.sent.findLast(({ entry }) => entry.type === TOPOLOGY_TYPE);
    const owner = [SHARD, this.#epoch, `n${this.#epoch}`, 'inc'];
    question?.reply({ clusterId: 'c', owners: [owner] });
  }

  /** Takes note of the attempts that the client made since. */
  #look(): void {
    for (const sent of this.transport.sent.slice(this.#seen)) {
      if (sent.entry.type === TOPOLOGY_TYPE) continue;
      this.#attempts.push({ sent, hasLeft: false, isOver: false, outcome: 'not-executed' });
    }
    this.#seen = this.transport.sent.length;
  }
}

describe('the outcome of a call', () => {
  test('is the strongest of its attempts, over all histories', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<Routing>('static', 'topology'),
        fc.boolean(),
        fc.array(step, { maxLength: 12 }),
        end,
        async (routing, idempotent, steps, how) => {
          const history = new History(routing, idempotent);
          for (const each of steps) history.do(each);
          await history.end(how);
          const error = (await history.ended) as ClstrError;
          expect(error).toBeInstanceOf(ClstrError);
          expect(error.outcome).toBe(history.truth);
          if (error.outcome !== 'not-executed') expect(error.retryable).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });

  test.each(['static', 'topology'] as const)(
    'an idempotent call that ran and then met nobody ended as not executed (%s)',
    async (routing) => {
      const history = new History(routing, true);
      history.do({ kind: 'lost', code: 'ABORTED', outcome: 'unknown' });
      history.do({ kind: 'time passes', ms: 1_100 });
      history.do({ kind: 'refused', code: 'NO_SUBSCRIBER' });
      await history.end('deadline');
      expect(await history.ended).toMatchObject({
        code: routing === 'static' ? 'NO_SUBSCRIBER' : 'TIMEOUT',
        outcome: 'unknown',
        retryable: false,
        message: expect.stringContaining('an earlier attempt of this call may have run') as string,
      });
    },
  );

  test('an idempotent call that left its silent owner and found no node ended as not executed', async () => {
    const history = new History('topology', true);
    history.do({ kind: 'leaves' });
    history.do({ kind: 'new owner' });
    history.do({ kind: 'refused', code: 'NO_SUBSCRIBER' });
    await history.end('deadline');
    expect(await history.ended).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' });
  });
});
