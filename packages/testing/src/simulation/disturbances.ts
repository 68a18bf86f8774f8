/** What currently stands between one node and the rest of its world. */
import type { OperationFate } from '@clstr/transport-memory';
import type { SeededRandom } from './seeded-random.ts';

export class Disturbances {
  /** Nothing gets through in either direction, and nobody knows. */
  isBlackHole = false;
  /** Answers of the store are lost, all that is written is written. */
  losesAnswers = 0;
  storeDelayMs = 0;
  breaksWatches = false;
  packetLoss = 0;

  clear(): void {
    this.isBlackHole = false;
    this.losesAnswers = 0;
    this.storeDelayMs = 0;
    this.breaksWatches = false;
    this.packetLoss = 0;
  }

  storeFate(random: SeededRandom, kind: 'cas' | 'read' | 'list'): OperationFate {
    const request = 0.1 + random.next() * 2 + random.next() * this.storeDelayMs;
    const answer = 0.1 + random.next() * 2 + random.next() * this.storeDelayMs;
    if (this.isBlackHole) return random.chance(0.5) ? { request: 'lost' } : { request, answer: 'lost' };
    if (random.chance(this.losesAnswers)) return { request, answer: 'lost' };
    // A request that its sender has given up may still be done, much later.
    if (random.chance(0.002)) return { request: request + random.next() * 3_000, answer };
    if (kind === 'cas') return { request, answer, isUndecided: random.chance(0.01) };
    return { request, answer, staleBy: random.chance(0.05) ? random.int(1, 20) : 0 };
  }

  packetDelays(random: SeededRandom): readonly number[] {
    if (this.isBlackHole || random.chance(this.packetLoss)) return [];
    return [random.next() * 3];
  }
}
