/** The contract of a store of state over the memory store. */
import { stateStoreConformance } from '@clstr/conformance';
import type { OperationEffect } from '@clstr/transport-memory/internal';
import { memoryStateStore } from '@clstr/transport-memory';

const effects = new Map<string, OperationEffect>();
const stores = memoryStateStore({ policy: { onOperation: ({ member }) => effects.get(member) ?? {} } });
let members = 0;

stateStoreConformance('memory', {
  async connect({ cluster, service }) {
    const member = `member-${++members}`;
    const store = stores.connect({ member, cluster, service });
    const faults = {
      cut() {
        stores.cut(member);
      },
      loseAnswers() {
        effects.set(member, { answer: 'lost' });
      },
      loseEverything() {
        effects.set(member, { request: 'lost' });
      },
      restore() {
        effects.delete(member);
        stores.restore(member);
      },
    };
    return { store, faults };
  },
});
