/** The contract of a store for the state of durable actors, as a test suite. */
import { appends } from './state/appends.ts';
import { connections } from './state/connections.ts';
import { erasures } from './state/erasures.ts';
import { keys } from './state/keys.ts';
import { lists } from './state/lists.ts';
import { loads } from './state/loads.ts';
import { lostConnections } from './state/lost-connections.ts';
import { records } from './state/records.ts';
import { StateStage } from './state/stage.ts';
import type { StateStoreUnderTest } from './state/state-store-under-test.ts';
import { declareSuite } from './suite.ts';

/** Declares the suite for one store. A skip names a behaviour or a theme, and says why it cannot hold. */
export function stateStoreConformance(name: string, subject: StateStoreUnderTest): void {
  declareSuite({
    title: `the ${name} store of state`,
    themes: {
      appends,
      loads,
      lists,
      erasures,
      keys,
      records,
      connections,
      'lost connections': lostConnections,
    },
    skips: subject.skips,
    createStage: () => new StateStage(subject),
  });
}
