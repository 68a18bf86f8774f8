/** The contract of a cluster store over the memory store. */
import type { ClusterStore } from '@clstr/core/store';
import { storeConformance } from '@clstr/conformance';
import type { OperationEffect } from '@clstr/transport-memory/internal';
import { createMemoryStore, memoryMembership } from '@clstr/transport-memory';

storeConformance('memory', {
  async createCluster() {
    const effects = new Map<string, OperationEffect>();
    const store = createMemoryStore({
      policy: { onOperation: ({ member }) => effects.get(member) ?? {} },
    });
    let members = 0;
    return {
      async connect() {
        const member = `member-${++members}`;
        const opened = await memoryMembership({ store, member }).open();
        return {
          store: opened,
          cut() {
            store.cut(member);
          },
          loseAnswers() {
            effects.set(member, { answer: 'lost' });
          },
          loseEverything() {
            effects.set(member, { request: 'lost' });
          },
          async restore() {
            effects.delete(member);
            const back = opened.isConnected ? undefined : nextUp(opened);
            store.restore(member);
            await back;
          },
        };
      },
      async deleteBucket() {
        store.deleteBucket();
      },
    };
  },
  skips: {
    'goes on when a listener throws, and so do the other watches and calls':
      'what a listener throws surfaces as an uncaught error, which a test cannot survive',
  },
});

function nextUp(store: ClusterStore): Promise<void> {
  return new Promise((resolve) => {
    const stop = store.onConnection((isConnected) => {
      if (!isConnected) return;
      stop();
      resolve();
    });
  });
}
