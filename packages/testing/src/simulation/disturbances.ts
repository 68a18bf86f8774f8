/** The current disturbances between one node and the rest of its world. */
import type { DeliveryEffect, OperationEffect, StoreOperation } from '@clstr/transport-memory/internal';
import type { SeededRandom } from './seeded-random.ts';

export class Disturbances {
  /** Nothing gets through in either direction, and no side notices. */
  isBlackHole = false;
  /** Bus messages to the node are lost, or those from it. */
  cutsInbound = false;
  cutsOutbound = false;
  /** The share of the store's answers that are lost; the writes still take effect. */
  losesAnswers = 0;
  /** The share of writes that never reach the store. */
  losesWrites = 0;
  storeDelayMs = 0;
  /** The share of writes that take effect only after their sender has given up. */
  lateWrites = 0;
  /** Reads fail, and watches deliver entries this much later. */
  deafMs = 0;
  breaksWatches = false;
  packetLoss = 0;

  clear(): void {
    Object.assign(this, new Disturbances());
  }

  get isDataCut(): boolean {
    return this.cutsInbound || this.cutsOutbound;
  }

  /** Whether anything disturbs the connection between the node and the store. */
  get hinderStore(): boolean {
    const { isBlackHole, losesAnswers, losesWrites, storeDelayMs, lateWrites, deafMs, breaksWatches } = this;
    const shares = losesAnswers + losesWrites + storeDelayMs + lateWrites + deafMs;
    return isBlackHole || breaksWatches || shares > 0;
  }

  storeEffect(random: SeededRandom, kind: StoreOperation['kind']): OperationEffect {
    const request = 0.1 + random.next() * 2 + random.next() * this.storeDelayMs;
    const answer = 0.1 + random.next() * 2 + random.next() * this.storeDelayMs;
    if (this.isBlackHole) return { request: 'lost' };
    const isWrite = kind === 'cas' || kind === 'append';
    if (isWrite && random.chance(this.losesWrites)) return { request: 'lost' };
    if (this.losesAnswers > 0 && random.chance(this.losesAnswers)) return { request, answer: 'lost' };
    if (!isWrite) {
      if (this.deafMs > 0) return { request: 'lost' };
      return { request, answer, staleBy: random.chance(0.05) ? random.int(1, 20) : 0 };
    }
    // A request that its sender has given up may still take effect, much later.
    if (random.chance(0.002 + this.lateWrites)) return { request: request + random.next() * 3_000, answer };
    return { request, answer, isUndecided: random.chance(0.01) };
  }

  deliveryEffect(random: SeededRandom): DeliveryEffect {
    const delayMs = 0.1 + random.next() * 5 + this.deafMs;
    if (this.isBlackHole) return { brokenMs: 500 + random.next() * 1_500 };
    if (this.breaksWatches && random.chance(0.1)) return { brokenMs: 100 + random.next() * 3_000 };
    return delayMs;
  }

  /** The delay of a packet; undefined if it is lost. */
  packetDelayMs(random: SeededRandom): number | undefined {
    if (this.isBlackHole || random.chance(this.packetLoss)) return undefined;
    return random.next() * 3;
  }
}
