/** What the framework reports, as counters. Hot path: plain numbers in objects that are found by one comparison. */
import type {
  BreakerState,
  ErrorCode,
  KeyedRepeat,
  ListMethod,
  Metrics,
  NodeEventType,
  RetryDenial,
  ShedReason,
  TransportErrorKind,
} from '@clstr/core';
import { ERROR_CODES } from '@clstr/core';
import type { WatchedActors, WatchedClient, WatchedNode, WatchedTransport } from '@clstr/core';
import { Actors } from './actors.ts';
import { ByLabel } from './by-label.ts';
import { Clients } from './clients.ts';
import { Handled } from './handled.ts';
import { Nodes } from './nodes.ts';
import { Sizes } from './sizes.ts';
import { Timed } from './timed.ts';
import { Transports } from './transports.ts';

export class Count {
  count = 0;
}

/** Of notifies, which have no duration. */
class Sent {
  count = 0;
  failed = 0;
}

/** Messages refused for one reason, by their class. */
export class Shed {
  critical = 0;
  normal = 0;
}

const createCount = (): Count => new Count();

export class Counted implements Metrics {
  readonly requests: ByLabel<Timed> = new ByLabel(() => new Timed());
  readonly notifies: ByLabel<Sent> = new ByLabel(() => new Sent());
  readonly transportErrors: ByLabel<Count> = new ByLabel(createCount);
  readonly repeats: ByLabel<Count> = new ByLabel(createCount);
  readonly retriesDenied: ByLabel<Count> = new ByLabel(createCount);
  readonly lists: Readonly<Record<ListMethod, Sizes>> = {
    requestMany: new Sizes(),
    gather: new Sizes(),
    broadcast: new Sizes(),
  };
  readonly breakerChanges: ByLabel<Count> = new ByLabel(createCount);
  readonly refusals: ByLabel<Count> = new ByLabel(createCount);
  readonly shed: ByLabel<Shed> = new ByLabel(() => new Shed());
  readonly keyedRepeats: ByLabel<Count> = new ByLabel(createCount);
  readonly handlers: ByLabel<Handled> = new ByLabel(() => new Handled());
  readonly panics: ByLabel<Count> = new ByLabel(createCount);
  readonly nodeEvents: ByLabel<Count> = new ByLabel(createCount);
  readonly tasks: Timed = new Timed();
  readonly clients: Clients = new Clients();
  readonly nodes: Nodes = new Nodes();
  readonly actors: Actors = new Actors();
  readonly transports: Transports = new Transports();

  requestEnded(type: string, isSuccess: boolean, durationMs: number): void {
    this.requests.of(type).add(isSuccess, durationMs);
  }

  notifyEnded(type: string, isSuccess: boolean): void {
    const sent = this.notifies.of(type);
    sent.count++;
    if (!isSuccess) sent.failed++;
  }

  transportError(kind: TransportErrorKind): void {
    this.transportErrors.of(kind).count++;
  }

  callRepeated(reason: ErrorCode): void {
    this.repeats.of(reasonOf(reason)).count++;
  }

  retryDenied(reason: RetryDenial): void {
    this.retriesDenied.of(reason).count++;
  }

  listMade(method: ListMethod, calls: number): void {
    this.lists[method].add(calls);
  }

  breakerChanged(state: BreakerState): void {
    this.breakerChanges.of(state).count++;
  }

  messageRefused(reason: ErrorCode): void {
    this.refusals.of(reasonOf(reason)).count++;
  }

  messageShed(reason: ShedReason, isCritical: boolean): void {
    this.shed.of(reason)[isCritical ? 'critical' : 'normal']++;
  }

  keyedRepeat(answer: KeyedRepeat): void {
    this.keyedRepeats.of(answer).count++;
  }

  handlerEnded(type: string, isSuccess: boolean, durationMs: number | undefined, waitedMs: number): void {
    this.handlers.of(type).add(isSuccess, durationMs, waitedMs);
  }

  panicked(type: string): void {
    this.panics.of(type).count++;
  }

  taskEnded(isSuccess: boolean, durationMs: number): void {
    this.tasks.add(isSuccess, durationMs);
  }

  nodeEvent(_nodeId: string, event: NodeEventType): void {
    this.nodeEvents.of(event).count++;
  }

  watchClient(client: WatchedClient): void {
    this.clients.watch(client);
  }

  watchNode(node: WatchedNode): void {
    this.nodes.watch(node);
  }

  watchActors(actors: WatchedActors): void {
    this.actors.watch(actors);
    // The series of a type are there before its first message, so that its first failure is an increase.
    this.panics.of('other');
    for (const type of actors.types) {
      this.panics.of(type);
      this.handlers.of(type).isOfActor = true;
    }
  }

  watchTransport(transport: WatchedTransport): void {
    this.transports.watch(transport);
  }
}

/** The code may come from another process. */
function reasonOf(code: string): string {
  return Object.hasOwn(ERROR_CODES, code) ? code.toLowerCase() : 'other';
}
