/** What the framework reports, as counters. Hot path: plain numbers in objects that are found by one comparison. */
import type { ErrorCode, Metrics, NodeEventType, TransportErrorKind } from '@clstr/core';
import { ERROR_CODES } from '@clstr/core';
import type { WatchedActors, WatchedNode, WatchedTransport } from '@clstr/core';
import { Actors } from './actors.ts';
import { ByLabel } from './by-label.ts';
import { Durations } from './durations.ts';
import { Ends } from './ends.ts';
import { Nodes } from './nodes.ts';
import { Transports } from './transports.ts';

/** What ended, and how long it took. */
class Timed {
  readonly ends: Ends = new Ends();
  readonly durations: Durations = new Durations();
}

/** The messages of one type at the nodes of this process, from their acceptance to their end. */
class Handlers extends Timed {
  /** Set if an actor handles the type. */
  turns: Turns | undefined;
}

class Turns extends Timed {
  readonly waits: Durations = new Durations();
}

export class Count {
  count = 0;
}

const createCount = (): Count => new Count();

export class Counted implements Metrics {
  readonly requests: ByLabel<Timed> = new ByLabel(() => new Timed());
  readonly notifies: ByLabel<Ends> = new ByLabel(() => new Ends());
  readonly transportErrors: ByLabel<Count> = new ByLabel(createCount);
  readonly repeats: ByLabel<Count> = new ByLabel(createCount);
  readonly refusals: ByLabel<Count> = new ByLabel(createCount);
  readonly handlers: ByLabel<Handlers> = new ByLabel(() => new Handlers());
  readonly panics: ByLabel<Count> = new ByLabel(createCount);
  readonly nodeEvents: ByLabel<Count> = new ByLabel(createCount);
  readonly tasks: Timed = new Timed();
  readonly nodes: Nodes = new Nodes();
  readonly actors: Actors = new Actors();
  readonly transports: Transports = new Transports();

  requestEnded(type: string, isSuccess: boolean, durationMs: number): void {
    const requests = this.requests.of(type);
    requests.ends.add(isSuccess);
    requests.durations.add(durationMs);
  }

  notifyEnded(type: string, isSuccess: boolean): void {
    this.notifies.of(type).add(isSuccess);
  }

  transportError(kind: TransportErrorKind): void {
    this.transportErrors.of(kind).count++;
  }

  callRepeated(reason: ErrorCode): void {
    this.repeats.of(reasonOf(reason)).count++;
  }

  messageRefused(reason: ErrorCode): void {
    this.refusals.of(reasonOf(reason)).count++;
  }

  handlerEnded(type: string, isSuccess: boolean, durationMs: number | undefined, waitedMs: number): void {
    const { ends, durations, turns } = this.handlers.of(type);
    ends.add(isSuccess);
    durations.add(durationMs === undefined ? waitedMs : durationMs + waitedMs);
    if (turns === undefined) return;
    turns.waits.add(waitedMs);
    if (durationMs === undefined) return;
    turns.ends.add(isSuccess);
    turns.durations.add(durationMs);
  }

  panicked(type: string): void {
    this.panics.of(type).count++;
  }

  taskEnded(isSuccess: boolean, durationMs: number): void {
    this.tasks.ends.add(isSuccess);
    this.tasks.durations.add(durationMs);
  }

  nodeEvent(_nodeId: string, event: NodeEventType): void {
    this.nodeEvents.of(event).count++;
  }

  watchNode(node: WatchedNode): void {
    this.nodes.watch(node);
  }

  watchActors(actors: WatchedActors): void {
    this.actors.watch(actors);
    // The series of a type are there before its first message, so that its first failure is an increase.
    for (const type of actors.types) this.handlers.of(type).turns ??= new Turns();
  }

  watchTransport(transport: WatchedTransport): void {
    this.transports.watch(transport);
  }
}

/** The code may come from another process. */
function reasonOf(code: string): string {
  return Object.hasOwn(ERROR_CODES, code) ? code.toLowerCase() : 'other';
}
