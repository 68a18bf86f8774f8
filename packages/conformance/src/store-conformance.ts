/** The contract of a cluster store as a test suite: membership rests on what is checked here. */
import { closing, lostBuckets } from './store/endings.ts';
import { connections } from './store/connections.ts';
import { reads } from './store/reads.ts';
import { StoreStage } from './store/stage.ts';
import type { StoreUnderTest } from './store/store-under-test.ts';
import { watches } from './store/watches.ts';
import { writes } from './store/writes.ts';
import { declareSuite } from './suite.ts';

/** Declares the suite for one store. A skip must name a behaviour and say why it cannot hold. */
export function storeConformance(name: string, subject: StoreUnderTest): void {
  declareSuite({
    title: `the ${name} store`,
    themes: {
      writes,
      'reads and lists': reads,
      watches,
      connections,
      'closed stores': closing,
      'lost buckets': lostBuckets,
    },
    skips: subject.skips,
    createStage: () => new StoreStage(subject),
  });
}
