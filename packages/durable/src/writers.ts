/** Who this process is to its stores, and which of its writes it has lost sight of. */
import type { ShardLease } from '@clstr/core';
import type { StatePlace } from '@clstr/core/store';
import type { ActorCore } from '@clstr/actors/internal';
import { randomId, systemRandom } from '@clstr/core/internal';
import type { Writer } from './record.ts';

type Host = ActorCore['home']['host'];

export class Writers {
  static readonly #all = new WeakMap<Host, Writers>();
  readonly #unsettled = new Set<string>();
  #static: Writer | undefined;
  #nonce = 0;

  /** One for each node. */
  static ofHost(host: Host): Writers {
    const found = Writers.#all.get(host) ?? new Writers();
    Writers.#all.set(host, found);
    return found;
  }

  /** An epoch has one owner, and names it. Without epochs a process has a random name. */
  of(lease: ShardLease | undefined): Writer {
    if (lease !== undefined) return { epoch: lease.epoch, name: `epoch-${lease.epoch}` };
    this.#static ??= { epoch: 0, name: randomId(systemRandom, 12) };
    return this.#static;
  }

  nonce(): number {
    return ++this.#nonce;
  }

  /** An owner gave up on a write, which may still arrive: the next activation must not trust what it finds. */
  unsettled(place: StatePlace): void {
    this.#unsettled.add(nameOf(place));
  }

  /** A later write has arrived, and the earlier one cannot any more. */
  settled(place: StatePlace): void {
    if (this.#unsettled.size > 0) this.#unsettled.delete(nameOf(place));
  }

  isUnsettled(place: StatePlace): boolean {
    return this.#unsettled.has(nameOf(place));
  }
}

function nameOf({ space, key }: StatePlace): string {
  // Only compared, never shown.
  return JSON.stringify([space, key]);
}
