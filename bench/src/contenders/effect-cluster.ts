/** Effect cluster: an entity per key, nothing stored; in memory, and over its socket runner. */
import type { Contender } from '../contender.ts';
import type * as Sides from './effect-sides.ts';

export const effectMemory: Contender = {
  name: 'effect-memory',
  title: 'Effect cluster 4, in memory',
  isLeftOutOfQuick: true,
  startClient: async () => (await sides()).memoryClient(),
};

export const effectSocket: Contender = {
  name: 'effect-socket',
  title: 'Effect cluster 4, sockets',
  isLeftOutOfQuick: true,
  startNode: async (site) => (await sides()).socketNode(site),
  startClient: async (site) => (await sides()).socketClient(site),
};

/** Loaded late: loading takes a third of a second, and the processes of all contenders read the list of contenders. */
function sides(): Promise<typeof Sides> {
  return import('./effect-sides.ts');
}
