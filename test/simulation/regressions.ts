/** Runs that once broke a promise, each with the schedule that did it. */
import type { Fault } from '@clstr/testing';

interface Regression {
  readonly name: string;
  readonly seed: number;
  readonly faults: readonly Fault[];
}

export const REGRESSIONS: readonly Regression[] = [
  {
    // S5: the absence of one run still counted against the next.
    name: 'the marks of a node are purged twice',
    seed: 21_351,
    faults: [
      { kind: 'flap', atMs: 6_172, durationMs: 46, node: 66, salt: 462_140_318 },
      { kind: 'purge-marks', atMs: 16_173, durationMs: 0, node: 55, salt: 4_037_560_164 },
      { kind: 'purge-marks', atMs: 19_383, durationMs: 0, node: 10, salt: 1_017_738_976 },
    ],
  },
  {
    // S5: it declared the name, which the other one holds, to have left.
    name: 'a second process of one id drains before it has joined',
    seed: 30_355,
    faults: [
      { kind: 'suspend', atMs: 743, durationMs: 3_503, node: 36, salt: 2_486_337_849 },
      { kind: 'outage', atMs: 1_615, durationMs: 1_681, node: 36, salt: 2_529_429_368 },
      { kind: 'flap', atMs: 3_555, durationMs: 1_096, node: 96, salt: 721_029_052 },
      { kind: 'flap', atMs: 5_308, durationMs: 955, node: 26, salt: 1_307_582_461 },
      { kind: 'twin', atMs: 6_474, durationMs: 3_468, node: 26, salt: 560_370_407 },
      { kind: 'leave', atMs: 6_610, durationMs: 1_454, node: 7, salt: 4_290_244_491 },
    ],
  },
];
