/** The metrics contract: what the framework reports; a package such as `@clstr/prometheus` turns it into series. */
import type { ErrorCode } from './errors.ts';
import type { WatchedActors, WatchedClient, WatchedNode, WatchedTransport } from './watched.ts';

export type TransportErrorKind = 'no_subscriber' | 'timeout' | 'ttl_expired' | 'closed';

/**
 * Why a failed call was not repeated: its `policy` gave it up; no time was left before its `deadline`; the `budget` of its
 * client was spent; it is `nested` in a repeated attempt, whose caller repeats the whole.
 */
export type RetryDenial = 'policy' | 'deadline' | 'budget' | 'nested';

/** `closed`: the node gets its calls; `open`: it gets none; `half-open`: a few try whether it answers again. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Why a node did not begin a message: its time was over (`expired`), its handler would not have ended in time
 * (`deadline`), messages had waited too long for the node (`age`), or a queue or the node was full (`bound`).
 */
export type ShedReason = 'expired' | 'deadline' | 'age' | 'bound';

/**
 * What a node does with a call whose idempotency key it knows, or that may have run: it is answered with the first reply
 * (`replayed`), waits for it (`joined`), is another call and refused (`reused`), or its reply is not known (`lost`).
 */
export type KeyedRepeat = 'replayed' | 'joined' | 'reused' | 'lost';

/** Which method made several calls at once: with the items of a list, or one for each node. */
export type ListMethod = 'requestMany' | 'gather' | 'broadcast';

/** What happened to a node, or to one of its shards. */
export type NodeEventType =
  'joined' | 'acquired' | 'released' | 'lost' | 'lapsed' | 'fenced' | 'unreachable' | 'reachable';

/**
 * Every method is optional, and several metrics may be given at a time. What happens is reported as it happens; what is,
 * such as the number of running handlers, is read: a `watch` method gets an object whose values are those of the moment.
 *
 * A `type` is a message type, or `other`: a name that anybody can make up is never a label. A node reports the types
 * that its handler declares (`Handler.types`, as `actorHandler` does), or the first 256 that a handler without a
 * declaration answered with success. A client reports the first 256 that a handler has run, and those of notifies that
 * no node refused until their deadline.
 */
export interface Metrics {
  /** A request ended at the client. */
  requestEnded?(type: string, isSuccess: boolean, durationMs: number): void;
  /**
   * The client handed a notify to the bus (`true`, at once), or the notify finally failed (`false`). A node may refuse
   * it after it was handed over: then the client reports both.
   */
  notifyEnded?(type: string, isSuccess: boolean): void;
  /** A message did not reach a handler, or its reply did not come back in time. */
  transportError?(kind: TransportErrorKind): void;
  /** The client sends a call again. `reason` is why the attempt before failed; `MOVED` also if the owner has changed. */
  callRepeated?(reason: ErrorCode): void;
  /** A failed call that may be repeated was not. */
  retryDenied?(reason: RetryDenial): void;
  /** A client makes so many calls at once. An empty list, and one that is refused as a whole, are not reported. */
  listMade?(method: ListMethod, calls: number): void;
  /** The breaker of a client for one node has changed. */
  breakerChanged?(state: BreakerState): void;
  /** A node refused a message before its handler ran. Reported in addition to `handlerEnded` if it had accepted it. */
  messageRefused?(reason: ErrorCode): void;
  /** A node refused a message for want of time or room; reported in addition to `messageRefused`. */
  messageShed?(reason: ShedReason, isCritical: boolean): void;
  /** A call with an idempotency key did not run, because it may have run before. */
  keyedRepeat?(answer: KeyedRepeat): void;
  /**
   * A message that a node had accepted ended. `durationMs` is the time that its handler took, undefined if it was
   * refused before that; `waitedMs` is how long it waited for the handler, e.g. in a mailbox.
   */
  handlerEnded?(type: string, isSuccess: boolean, durationMs: number | undefined, waitedMs: number): void;
  /** The code of an actor threw an error of no declared kind. `type` is `other` outside messages, e.g. in a timer. */
  panicked?(type: string): void;
  /** Code of an actor that runs without a caller ended: `setup`, a timer, `passivate`, `discard` or `waitUntil`. */
  taskEnded?(isSuccess: boolean, durationMs: number): void;
  nodeEvent?(nodeId: string, event: NodeEventType): void;
  /** A client was created: read it until it is closed. */
  watchClient?(client: WatchedClient): void;
  /** A node was created: read it until its state is `closed`. */
  watchNode?(node: WatchedNode): void;
  /** A handler of actors was created: read it until it is closed. */
  watchActors?(actors: WatchedActors): void;
  /**
   * A client or node of this program uses the transport: read it until its state is `closed`. Called again, with the same
   * object, for each further client or node.
   */
  watchTransport?(transport: WatchedTransport): void;
  /** All metrics as text, for a page that a monitoring system reads. */
  text?(): Promise<string>;
}

/** Metrics as the framework calls them: every method is there, and none throws. */
export type SafeMetrics = Required<Omit<Metrics, 'text'>>;

const ignore = (): void => {};

/** Hot paths compare it by identity, so that a program without metrics pays nothing. */
export const noMetrics: SafeMetrics = {
  requestEnded: ignore,
  notifyEnded: ignore,
  transportError: ignore,
  callRepeated: ignore,
  retryDenied: ignore,
  listMade: ignore,
  breakerChanged: ignore,
  messageRefused: ignore,
  messageShed: ignore,
  keyedRepeat: ignore,
  handlerEnded: ignore,
  panicked: ignore,
  taskEnded: ignore,
  nodeEvent: ignore,
  watchClient: ignore,
  watchNode: ignore,
  watchActors: ignore,
  watchTransport: ignore,
};
