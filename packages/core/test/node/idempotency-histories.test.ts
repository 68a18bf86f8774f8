/** Calls with idempotency keys under losses, owners that change, and tables that forget: each key runs once at most. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import { ActorError, ClstrError, isClstrError } from '../../src/base/errors.ts';
import type { Failure } from '../../src/base/errors.ts';
import { TRANSIT_MS } from '../../src/wire/idempotency.ts';
import type { InboundEntry, ReplyPort } from '../../src/wire/transport.ts';
import { ScriptedTransport } from '../scripted-transport.ts';
import type { Sent } from '../scripted-transport.ts';
import { KeyedDispatch } from './keyed-dispatch.ts';

const SHARD = 1;
const KEYS = 4;

type Step =
  | { readonly kind: 'call'; readonly key: number }
  /** A message arrives, its client may think otherwise, or an answer arrives or is lost. `at` chooses which. */
  | {
      readonly kind: 'arrive' | 'lose message' | 'lose and arrive' | 'answer' | 'lose answer';
      readonly at: number;
    }
  | { readonly kind: 'succeed' | 'fail' | 'refuse'; readonly at: number }
  | { readonly kind: 'new owner' }
  | { readonly kind: 'wait'; readonly ms: number };

const at = fc.nat({ max: 7 });
const one = (kind: Extract<Step, { at: number }>['kind'], weight: number) => ({
  arbitrary: at.map((number): Step => ({ kind, at: number })),
  weight,
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.nat({ max: KEYS - 1 }).map((key): Step => ({ kind: 'call', key })), weight: 4 },
  one('arrive', 8),
  one('lose message', 1),
  one('lose and arrive', 1),
  one('answer', 4),
  one('lose answer', 3),
  one('succeed', 5),
  one('fail', 1),
  one('refuse', 1),
  { arbitrary: fc.constant<Step>({ kind: 'new owner' }), weight: 1 },
  { arbitrary: fc.integer({ min: 1, max: 20_000 }).map((ms): Step => ({ kind: 'wait', ms })), weight: 4 },
);

interface Answer {
  readonly sent: Sent;
  readonly value: string | Uint8Array | undefined;
  readonly error: Failure | undefined;
}

interface Run {
  readonly key: number;
  readonly node: KeyedDispatch;
  readonly run: number;
  isOver: boolean;
}

class World {
  readonly transport = new ScriptedTransport();
  /** The first owner knows that no key ran before it. */
  #owner = new KeyedDispatch({ maxKeysPerShard: 1, keepMs: 30_000 });
  readonly #clock = this.#owner.clock;
  readonly #client = createClient({
    transport: this.transport,
    clock: this.#clock,
    numShards: 16,
    routing: 'static',
  });
  /** Messages on their way, answers on their way, and handlers: all of them until they are used up. */
  readonly #messages: { readonly sent: Sent; readonly sentMs: number }[] = [];
  readonly #answers: Answer[] = [];
  readonly runs: Run[] = [];
  readonly results: { readonly key: number; readonly result: Promise<unknown> }[] = [];
  #seen = 0;

  async do(what: Step): Promise<void> {
    switch (what.kind) {
      case 'call': {
        const options = { idempotencyKey: `key-${what.key}`, timeoutMs: 60_000 };
        const result = this.#client
          .requestShard(SHARD, 'Charge', what.key, options)
          .catch((error: unknown) => error);
        this.results.push({ key: what.key, result });
        break;
      }
      case 'arrive':
        this.#arrive(taken(this.#messages, what.at));
        break;
      case 'lose message':
        lose(taken(this.#messages, what.at)?.sent);
        break;
      case 'lose and arrive': {
        const message = this.#messages[what.at];
        lose(message?.sent);
        break;
      }
      case 'answer':
        answer(taken(this.#answers, what.at));
        break;
      case 'lose answer':
        lose(taken(this.#answers, what.at)?.sent);
        break;
      case 'succeed':
      case 'fail':
      case 'refuse':
        await this.#end(what.kind, what.at);
        break;
      case 'new owner':
        this.#changeOwner();
        break;
      case 'wait':
        this.#clock.advance(what.ms);
    }
    await turns();
    this.#look();
  }

  /** Everything that is still on its way arrives, and every handler ends. */
  async finish(): Promise<void> {
    for (let i = 0; i < 200; i++) {
      await this.do({ kind: 'arrive', at: 0 });
      await this.do({ kind: 'succeed', at: 0 });
      await this.do({ kind: 'answer', at: 0 });
      await this.do({ kind: 'wait', ms: 500 });
    }
    await this.#client.close();
  }

  #look(): void {
    const { sent } = this.transport;
    for (; this.#seen < sent.length; this.#seen++) {
      const found = sent[this.#seen]!;
      found.leave();
      this.#messages.push({ sent: found, sentMs: this.#clock.nowMs });
    }
  }

  #arrive(message: { readonly sent: Sent; readonly sentMs: number } | undefined): void {
    // No message is on its way for longer.
    if (message === undefined || this.#clock.nowMs - message.sentMs > TRANSIT_MS) return;
    const { sent } = message;
    const inbound: InboundEntry = {
      ...inboundOf(sent),
      attempt: sent.attempt,
      clientId: 7,
      ttlMs: Math.max(1, sent.entry.remainingMs() - 0),
      receivedAtMs: this.#clock.nowMs,
    };
    const port: ReplyPort = {
      reply: (_entry, value) => this.#answers.push({ sent, value, error: undefined }),
      fail: (_entry, error) => this.#answers.push({ sent, value: undefined, error }),
    };
    const before = this.#owner.gates.length;
    this.#owner.dispatch.onEntry(inbound, port);
    if (this.#owner.gates.length > before) {
      this.runs.push({ key: Number(sent.entry.payload), node: this.#owner, run: before, isOver: false });
    }
  }

  async #end(how: 'succeed' | 'fail' | 'refuse', which: number): Promise<void> {
    const run = this.runs.filter(({ isOver }) => !isOver)[which];
    if (run === undefined) return;
    run.isOver = true;
    const id = this.runs.indexOf(run);
    if (how === 'succeed') await run.node.end(run.run, id);
    else if (how === 'fail') await run.node.fail(run.run, new ActorError('FAILED', String(id)));
    else if (run.node === this.#owner) {
      // It never ran: a layer had kept it waiting.
      this.runs.splice(id, 1, { ...run, key: -1 });
      run.node.contexts[run.run]!.refuse(new ClstrError('OVERLOADED', 'no room'));
    }
  }

  /** The owner crashes: it answers no more, and what was on its way to it is lost. */
  #changeOwner(): void {
    this.#owner.isHeld = false;
    const next = new KeyedDispatch({ maxKeysPerShard: 1, keepMs: 30_000 }, this.#clock);
    next.dispatch.idempotency.acquired(SHARD, undefined);
    this.#owner = next;
    for (const { sent } of this.#messages.splice(0)) lose(sent);
  }
}

function inboundOf({ entry }: Sent) {
  const { isNotify, shard, type, key, headers, payload, isRaw } = entry;
  return { isNotify, shard, type, key, headers, payload, isRaw };
}

function taken<T>(items: T[], index: number): T | undefined {
  return items.splice(index % Math.max(1, items.length), 1)[0];
}

function lose(sent: Sent | undefined): void {
  sent?.fail(new ClstrError('CONNECTION_LOST', 'lost'));
}

function answer(found: Answer | undefined): void {
  if (found === undefined) return;
  const { sent, value, error } = found;
  if (error === undefined) sent.replyEncoded(String(value));
  else if (error instanceof ClstrError) sent.refuse(error);
  else {
    const { code, message, outcome, retryable, details } = error;
    const { actorCode } = error as { actorCode?: string };
    sent.refuse(
      actorCode === undefined
        ? new ClstrError(code, message, { outcome, retryable, details })
        : new ActorError(actorCode, message),
    );
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 8; i++) await Promise.resolve();
}

test('a key runs once at most, and no call gets the reply of another run', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 80 }), async (steps) => {
      const world = new World();
      for (const what of steps) await world.do(what);
      await world.finish();
      for (let key = 0; key < KEYS; key++) {
        expect(world.runs.filter((run) => run.key === key).length).toBeLessThanOrEqual(1);
      }
      for (const { key, result } of world.results) {
        const ended = await result;
        seen.add(isClstrError(ended) ? ended.code : 'reply');
        if (typeof ended === 'number') expect(world.runs[ended]?.key).toBe(key);
        else {
          if (!isClstrError(ended)) throw ended;
          if (ended.code === 'ACTOR_ERROR') expect(world.runs[Number(ended.message)]?.key).toBe(key);
          const calls = world.results.filter((other) => other.key === key);
          const isAlone = calls.length === 1;
          if (isAlone && ended.outcome === 'not-executed') {
            expect(world.runs.some((run) => run.key === key)).toBe(false);
          }
        }
      }
    }),
    { numRuns: 400 },
  );
  expect([...seen]).toEqual(expect.arrayContaining(['reply', 'ACTOR_ERROR', 'REPLY_LOST', 'OVERLOADED']));
});
