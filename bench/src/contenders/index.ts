/** Every contender, in the order of the table. */
import type { Contender } from '../contender.ts';
import {
  clstrActors,
  clstrActorsMemory,
  clstrActorsMetrics,
  clstrActorsMetricsMemory,
  clstrActorsSurvive,
} from './clstr-actors.ts';
import {
  traces1,
  traces1Memory,
  traces1Sdk,
  traces1SdkMemory,
  traces100,
  traces100Memory,
} from './clstr-traces.ts';
import { clstrBusy, clstrBusy3, clstrDynamic, clstrDynamic3 } from './clstr-dynamic.ts';
import { clstrMany } from './clstr-many.ts';
import { clstr, clstrMemory } from './clstr.ts';
import { effectMemory, effectSocket } from './effect-cluster.ts';
import { moleculer } from './moleculer.ts';
import { natsBatch } from './nats-batch.ts';
import { natsMany } from './nats-many.ts';
import { natsMux } from './nats-mux.ts';
import { natsRequest } from './nats-request.ts';

export const contenders: readonly Contender[] = [
  natsRequest,
  natsMux,
  natsBatch,
  moleculer,
  effectSocket,
  clstr,
  clstrDynamic,
  clstrDynamic3,
  clstrBusy,
  clstrBusy3,
  natsMany,
  clstrMany,
  clstrActors,
  clstrActorsSurvive,
  clstrActorsMetrics,
  traces1,
  traces1Sdk,
  traces100,
  effectMemory,
  clstrMemory,
  clstrActorsMemory,
  clstrActorsMetricsMemory,
  traces1Memory,
  traces1SdkMemory,
  traces100Memory,
];

/** Ratios compare with these two. */
export const REQUEST_BASELINE = natsRequest.name;
export const BATCH_BASELINE = natsBatch.name;

/** @throws Error naming the known contenders. */
export function contenderNamed(name: string): Contender {
  const found = contenders.find((contender) => contender.name === name);
  if (found === undefined) {
    throw new Error(`unknown contender '${name}', there are: ${contenders.map((c) => c.name).join(', ')}`);
  }
  return found;
}
