/** What currently stands between one node and the rest of its world. */
import type { DeliveryEffect, OperationEffect } from '@clstr/transport-memory/internal';
import type { SeededRandom } from './seeded-random.ts';

export class Disturbances {
  /** Nothing gets through in either direction, and nobody knows. */
  isBlackHole = false;
  /** Messages of the bus to the node are lost, and those from it. */
  cutsInbound = false;
  cutsOutbound = false;
  /** Share of the store's answers that are lost; all that is written is written. */
  losesAnswers = 0;
  /** Share of the writes that never reach the store. */
  losesWrites = 0;
  storeDelayMs = 0;
  /** Share of the writes that are done only after their sender has given up. */
  lateWrites = 0;
  /** Reads fail, and watches tell what was new so long ago. */
  deafMs = 0;
  breaksWatches = false;
  packetLoss = 0;

  clear(): void {
    Object.assign(this, new Disturbances());
  }

  get isDataCut(): boolean {
    return this.cutsInbound || this.cutsOutbound;
  }

  /** Whether anything stands between the node and the store. */
  get hinderStore(): boolean {
    const { isBlackHole, losesAnswers, losesWrites, storeDelayMs, lateWrites, deafMs, breaksWatches } = this;
    const shares = losesAnswers + losesWrites + storeDelayMs + lateWrites + deafMs;
    return isBlackHole || breaksWatches || shares > 0;
  }

  storeEffect(random: SeededRandom, kind: 'cas' | 'read' | 'list'): OperationEffect {
    const request = 0.1 + random.next() * 2 + random.next() * this.storeDelayMs;
    const answer = 0.1 + random.next() * 2 + random.next() * this.storeDelayMs;
    if (this.isBlackHole) return { request: 'lost' };
    if (kind === 'cas' && random.chance(this.losesWrites)) return { request: 'lost' };
    if (this.losesAnswers > 0 && random.chance(this.losesAnswers)) return { request, answer: 'lost' };
    if (kind !== 'cas') {
      if (this.deafMs > 0) return { request: 'lost' };
      return { request, answer, staleBy: random.chance(0.05) ? random.int(1, 20) : 0 };
    }
    // A request that its sender has given up may still be done, much later.
    if (random.chance(0.002 + this.lateWrites)) return { request: request + random.next() * 3_000, answer };
    return { request, answer, isUndecided: random.chance(0.01) };
  }

  deliveryEffect(random: SeededRandom): DeliveryEffect {
    const delayMs = 0.1 + random.next() * 5 + this.deafMs;
    if (this.isBlackHole) return { brokenMs: 500 + random.next() * 1_500 };
    if (this.breaksWatches && random.chance(0.1)) return { brokenMs: 100 + random.next() * 3_000 };
    return delayMs;
  }

  /** Undefined when the packet is lost. */
  packetDelayMs(random: SeededRandom): number | undefined {
    if (this.isBlackHole || random.chance(this.packetLoss)) return undefined;
    return random.next() * 3;
  }
}
