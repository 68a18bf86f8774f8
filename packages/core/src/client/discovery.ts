/**
 * How a client with `routing: 'auto'` discovers a dynamic cluster: it asks any node once, and again when a call is refused
 * or times out, or the connection is back. Until a node names a cluster, the client works as in a static one.
 */
import type { Clock } from '../base/clock.ts';
import { decodePayload, jsonCodec } from '../wire/codec.ts';
import { Question } from './topology.ts';
import type { ClstrError } from '../base/errors.ts';
import type { ClientLink, InboundReply } from '../wire/transport.ts';
import { TOPOLOGY_ADDRESS } from '../wire/transport.ts';

/** A refused call that is repeated only in a dynamic cluster. */
export interface Undecided {
  /** A node answered the question, or none did in time. */
  onDecided(): void;
}

export interface DiscoveryOptions {
  readonly link: ClientLink;
  readonly clock: Clock;
  readonly nextAttempt: () => number;
  /** Called with the cluster of the node that answered; undefined from an earlier build. */
  readonly onIdentity: (cluster: unknown) => void;
  /** Called once, when the cluster proves to be dynamic. */
  readonly onFound: () => void;
  /** A question has ended; with `failure` when it reached no node. */
  readonly onAsked: (failure: ClstrError | undefined) => void;
}

/** How long a node may take to answer. In a static cluster no node serves the question, and the bus says so at once. */
const ANSWER_MS = 500;
/** The pause before the client asks again after a refusal of the question. */
const RETRY_MS = 100;
/** How long "no node named a cluster" holds: in that time refused calls of a static cluster fail at once. */
const DECIDED_MS = 1_000;

export class Discovery {
  readonly #options: DiscoveryOptions;
  #question: Question | undefined;
  #cancelTimer: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;
  /** Calls that wait for the answer: at most `maxPending` requests, and the notifies that can still be refused. */
  readonly #waiting: Undecided[] = [];
  #decidedMs = -Infinity;
  /** The cluster was found, or the client was closed. */
  #isOver = false;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  /** Asks any node whether there is a dynamic cluster, unless that is under way or known. */
  ask(): void {
    if (this.#isOver || this.#question !== undefined) return;
    const { link, clock } = this.#options;
    this.#cancelTimer = clock.timer(() => {
      if (this.#question !== undefined) link.cancel(this.#question.attempt);
      this.#decide(false);
    }, ANSWER_MS);
    this.#send();
  }

  #send(): void {
    const { link, clock, nextAttempt, onIdentity } = this.#options;
    const question = new Question(nextAttempt(), jsonCodec.encode(null), (reply, refusal, failure) => {
      if (this.#question !== question) return;
      if (refusal?.retryable === true) {
        this.#cancelRetry = clock.timer(() => this.#send(), RETRY_MS);
        return;
      }
      const { clusterId, cluster } = answerIn(reply);
      onIdentity(cluster);
      this.#decide(typeof clusterId === 'string' && clusterId !== '', failure);
    });
    this.#question = question;
    link.send(TOPOLOGY_ADDRESS, question, question);
  }

  /** Whether a refused call waits for the decision; its refusal may be the decision itself. */
  holds(call: Undecided, refusal: ClstrError): boolean {
    if (this.#isOver || refusal.outcome !== 'not-executed' || refusal.code === 'OVERLOADED') return false;
    if (isOfDynamic(refusal)) {
      this.#decide(true);
      return false;
    }
    const isDecided = this.#options.clock.monoMs() - this.#decidedMs < DECIDED_MS;
    if (isDecided && this.#question === undefined) return false;
    this.#waiting.push(call);
    this.ask();
    return true;
  }

  close(): void {
    this.#isOver = true;
    this.#cancelTimer?.();
    this.#cancelRetry?.();
  }

  #decide(isDynamic: boolean, failure?: ClstrError): void {
    const { clock, onFound, onAsked } = this.#options;
    this.#cancelTimer?.();
    this.#cancelRetry?.();
    this.#question = undefined;
    this.#decidedMs = clock.monoMs();
    if (isDynamic) {
      this.#isOver = true;
      onFound();
    }
    for (const call of this.#waiting.splice(0)) call.onDecided();
    onAsked(failure);
  }
}

function answerIn(reply: InboundReply | undefined): { clusterId?: unknown; cluster?: unknown } {
  if (reply === undefined) return {};
  try {
    return decodePayload(jsonCodec, reply.payload, reply.isRaw) ?? {};
  } catch {
    return {};
  }
}

/** Whether a refusal comes from a dynamic cluster: only its nodes hand shards over, and number their owners. */
function isOfDynamic({ code, details }: ClstrError): boolean {
  return code === 'MOVED' || (code === 'NOT_OWNER' && details?.['epoch'] !== undefined);
}
