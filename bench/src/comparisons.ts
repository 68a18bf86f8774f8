/** Compares actors, membership and more nodes with contenders that do the same with less or otherwise, per round. */
import {
  clstrActors,
  clstrActorsMemory,
  clstrActorsMetrics,
  clstrActorsMetricsMemory,
} from './contenders/clstr-actors.ts';
import { clstrBusy, clstrBusy3, clstrDynamic, clstrDynamic3 } from './contenders/clstr-dynamic.ts';
import { clstrMany } from './contenders/clstr-many.ts';
import {
  traces1,
  traces1Memory,
  traces1Sdk,
  traces1SdkMemory,
  traces100,
  traces100Memory,
} from './contenders/clstr-traces.ts';
import { clstr, clstrMemory } from './contenders/clstr.ts';
import { effectMemory, effectSocket } from './contenders/effect-cluster.ts';
import { moleculer } from './contenders/moleculer.ts';
import { natsBatch } from './contenders/nats-batch.ts';
import { natsMany } from './contenders/nats-many.ts';
import { natsRequest } from './contenders/nats-request.ts';
import type { Sample } from './rounds.ts';
import type { Spread } from './statistics.ts';
import { ratioOf } from './summary.ts';

export interface Comparison {
  own: string;
  against: string;
  figure: 'requestsPerSecond' | 'p50Ms' | 'cpuUs';
  /** Own figure over the other's, at each number in flight. */
  ratios: readonly { inFlight: number; ratio: Spread }[];
}

/** Leaves out contenders that did not run. */
export function compareActors(samples: readonly Sample[]): Comparison[] {
  const levels = [...new Set(samples.map((sample) => sample.inFlight))];
  const compare = (figure: Comparison['figure'], own: string, against: string): Comparison => {
    const ratios = levels.flatMap((inFlight) => {
      const of = (contender: string): Sample[] =>
        samples.filter((sample) => sample.contender === contender && sample.inFlight === inFlight);
      const ratio = ratioOf(of(own), of(against), (sample) => sample[figure]);
      return ratio === null ? [] : { inFlight, ratio };
    });
    return { own, against, figure, ratios };
  };

  return [
    compare('requestsPerSecond', clstrDynamic.name, clstr.name),
    compare('p50Ms', clstrDynamic.name, clstr.name),
    compare('requestsPerSecond', clstrDynamic3.name, clstrDynamic.name),
    compare('requestsPerSecond', clstrBusy3.name, clstrBusy.name),
    compare('requestsPerSecond', clstrMany.name, clstr.name),
    compare('requestsPerSecond', clstrMany.name, natsMany.name),
    compare('requestsPerSecond', clstrActorsMetrics.name, clstrActors.name),
    compare('requestsPerSecond', clstrActorsMetricsMemory.name, clstrActorsMemory.name),
    compare('cpuUs', clstrActorsMetricsMemory.name, clstrActorsMemory.name),
    ...TRACED.map((own) => compare('requestsPerSecond', own.name, clstrActors.name)),
    ...TRACED_IN_MEMORY.flatMap((own) =>
      (['requestsPerSecond', 'cpuUs'] as const).map((figure) =>
        compare(figure, own.name, clstrActorsMemory.name),
      ),
    ),
    ...OVER_NATS.map((other) => compare('requestsPerSecond', clstrActors.name, other.name)),
    compare('p50Ms', clstrActors.name, natsRequest.name),
    ...IN_MEMORY.map((other) => compare('requestsPerSecond', clstrActorsMemory.name, other.name)),
    ...IN_MEMORY.map((other) => compare('cpuUs', clstrActorsMemory.name, other.name)),
  ].filter(({ ratios }) => ratios.length > 0);
}

/** Contenders that do the same as the actors with less, or in their own way. */
const OVER_NATS = [clstr, natsRequest, natsBatch, moleculer, effectSocket];
const IN_MEMORY = [clstrMemory, effectMemory];
/** The actors with traces. */
const TRACED = [traces1, traces1Sdk, traces100];
const TRACED_IN_MEMORY = [traces1Memory, traces1SdkMemory, traces100Memory];
