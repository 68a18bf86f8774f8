/** The product with typed actors: an actor per key, activated by its first message; over NATS and in memory. */
import { actorHandler, defineActor, request } from '@clstr/actors';
import type { Client } from '@clstr/core';
import { prometheusMetrics } from '@clstr/prometheus';
import type { ClientSide, Contender } from '../contender.ts';
import type { Payload } from '../payload.ts';
import { answer } from '../payload.ts';
import { memoryClient, natsClient, natsNode } from './clstr-sides.ts';

export const clstrActors: Contender = {
  name: 'clstr-actors',
  title: 'clstr actors',
  startNode: (site) => natsNode(site, actorHandler([oracle])),
  startClient: (site) => natsClient(site, ask),
};

export const clstrActorsMemory: Contender = {
  name: 'clstr-actors-memory',
  title: 'clstr actors, in memory',
  startClient: ({ numShards }) => memoryClient(numShards, actorHandler([oracle]), ask),
};

/** The same with the metrics of `@clstr/prometheus`, as a service in production has them. */
export const clstrActorsMetrics: Contender = {
  name: 'clstr-actors-metrics',
  title: 'clstr actors, metrics',
  isLeftOutOfQuick: true,
  startNode: (site) => {
    const metrics = prometheusMetrics();
    return natsNode(site, actorHandler([oracle], { metrics }), { metrics });
  },
  startClient: (site) => natsClient(site, ask, { metrics: prometheusMetrics() }),
};

export const clstrActorsMetricsMemory: Contender = {
  name: 'clstr-actors-metrics-memory',
  title: 'clstr actors, metrics, in memory',
  isLeftOutOfQuick: true,
  startClient: ({ numShards }) => {
    const metrics = prometheusMetrics();
    return memoryClient(numShards, actorHandler([oracle], { metrics }), ask, { metrics });
  },
};

/** The same with a retry budget, a breaker for its node, and shedding. */
export const clstrActorsSurvive: Contender = {
  name: 'clstr-actors-survive',
  title: 'clstr actors, retry, breaker, shedding',
  isLeftOutOfQuick: true,
  startNode: (site) => natsNode(site, actorHandler([oracle]), { shedding: {} }),
  startClient: (site) => natsClient(site, ask, { retry: 'standard', breaker: {} }),
};

/** Has types only: no other contender but Effect validates its input. */
export const Oracle = defineActor('oracle', { ask: request<Payload, Payload>() });

/** Answers as every node does, and counts, so that it has a state. */
export const oracle = Oracle.implement({
  setup: () => ({ asked: 0 }),
  handlers: {
    ask: (state, question) => {
      state.asked += 1;
      return answer(question);
    },
  },
});

export function ask(client: Client): ClientSide['request'] {
  return (key, question) => Oracle.ref(client, key).ask(question);
}
