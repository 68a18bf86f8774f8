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
  {
    // S8: a shard that came while the lease was over was told of as if it were held.
    name: 'a node that drains without its connection learns its first shards when another node has its name',
    seed: 100_527,
    faults: [
      { kind: 'cut', atMs: 2_271, durationMs: 4_399, node: 40, salt: 1_049_005_647 },
      { kind: 'leave', atMs: 2_590, durationMs: 4_404, node: 40, salt: 3_317_949_186 },
      { kind: 'slow-store', atMs: 3_790, durationMs: 3_038, node: 40, salt: 2_108_432_800 },
      { kind: 'twin', atMs: 4_142, durationMs: 8_050, node: 61, salt: 2_820_298_147 },
      { kind: 'cut', atMs: 5_437, durationMs: 4_496, node: 9, salt: 3_097_516_456 },
      { kind: 'slow-store', atMs: 5_479, durationMs: 1_033, node: 22, salt: 1_326_004_490 },
      { kind: 'leave', atMs: 5_530, durationMs: 2_677, node: 61, salt: 3_349_854_428 },
      { kind: 'twin', atMs: 5_884, durationMs: 6_980, node: 99, salt: 1_547_300_883 },
      { kind: 'black-hole', atMs: 6_976, durationMs: 1_490, node: 23, salt: 2_439_144_337 },
    ],
  },
  {
    // S1: who knew the newest epochs was cut off while somebody who had missed them made the next bucket.
    name: 'the bucket is lost again while all but one are cut off',
    seed: 101_617,
    faults: [
      { kind: 'flap', atMs: 4_032, durationMs: 649, node: 19, salt: 1_579_935_664 },
      { kind: 'delete-bucket', atMs: 5_222, durationMs: 0, node: 64, salt: 3_763_380_693 },
      { kind: 'twin', atMs: 6_059, durationMs: 4_082, node: 64, salt: 2_383_437_904 },
      { kind: 'delete-bucket', atMs: 8_194, durationMs: 0, node: 58, salt: 2_345_375_150 },
      { kind: 'outage', atMs: 8_425, durationMs: 5_598, node: 63, salt: 2_517_081_652 },
      { kind: 'delete-bucket', atMs: 9_472, durationMs: 0, node: 63, salt: 1_550_065_637 },
      { kind: 'delete-bucket', atMs: 9_861, durationMs: 0, node: 58, salt: 3_866_924_296 },
      { kind: 'delete-bucket', atMs: 16_802, durationMs: 0, node: 54, salt: 1_635_501_998 },
      { kind: 'purge-marks', atMs: 17_031, durationMs: 0, node: 95, salt: 2_213_378_958 },
      { kind: 'twin', atMs: 20_876, durationMs: 4_778, node: 25, salt: 4_134_551_859 },
    ],
  },
  {
    // S1: a record of the bucket before the last came late, and passed for the word of an owner of this one.
    name: 'a write for a bucket that is lost finds its revision in the next but one',
    seed: 20_264_215,
    faults: [
      { kind: 'delete-bucket', atMs: 12_249, durationMs: 0, node: 46, salt: 254_049_653 },
      { kind: 'late-writes', atMs: 13_663, durationMs: 4_790, node: 23, salt: 132_470_188 },
      { kind: 'stall', atMs: 14_028, durationMs: 855, node: 46, salt: 3_138_044_246 },
      { kind: 'delete-bucket', atMs: 16_931, durationMs: 0, node: 36, salt: 16_552_767 },
      { kind: 'delete-bucket', atMs: 17_270, durationMs: 0, node: 26, salt: 370_598_752 },
    ],
  },
  {
    // S5: the wait for owners from before began with the run, not with the bucket it found.
    name: 'the bucket is lost while a node that joins is cut off, and an owner is alone',
    seed: 1,
    faults: [
      { kind: 'purge-marks', atMs: 9_090, durationMs: 0, node: 0, salt: 1 },
      { kind: 'cut', atMs: 9_540, durationMs: 2_783, node: 0, salt: 1 },
      { kind: 'black-hole', atMs: 12_173, durationMs: 3_000, node: 1, salt: 1 },
      { kind: 'delete-bucket', atMs: 12_223, durationMs: 0, node: 0, salt: 1 },
    ],
  },
  {
    // L2: its old run said once more that it was up, and nobody declared dead a member that has no heartbeat.
    name: 'a node whose marks were purged drains before it has joined again',
    seed: 960_892_112,
    faults: [
      { kind: 'crash', atMs: 6_444, durationMs: 1_224, node: 59, salt: 3_501_878_387 },
      { kind: 'deaf', atMs: 8_077, durationMs: 5_388, node: 80, salt: 2_324_600_068 },
      { kind: 'broken-watches', atMs: 19_358, durationMs: 5_029, node: 85, salt: 582_818_453 },
      { kind: 'purge-marks', atMs: 21_273, durationMs: 0, node: 24, salt: 3_249_376_828 },
      { kind: 'leave', atMs: 21_733, durationMs: 3_487, node: 24, salt: 2_271_963_315 },
    ],
  },
  {
    // L7: on the subject of a shard that it had not asserted yet it did not answer itself, and took that for silence.
    name: 'a node that lapsed cannot read the store when its lease holds again',
    seed: 132,
    faults: [
      { kind: 'outage', atMs: 7_599, durationMs: 2_288, node: 56, salt: 980_640_159 },
      { kind: 'broken-watches', atMs: 7_672, durationMs: 4_925, node: 36, salt: 2_223_118_217 },
      { kind: 'outage', atMs: 7_711, durationMs: 5_717, node: 36, salt: 1_310_382_389 },
      { kind: 'lossy-answers', atMs: 8_760, durationMs: 3_018, node: 36, salt: 2_168_129_205 },
      { kind: 'deaf', atMs: 9_667, durationMs: 5_220, node: 36, salt: 3_081_489_740 },
      { kind: 'lossy-answers', atMs: 13_108, durationMs: 5_366, node: 59, salt: 1_749_290_152 },
      { kind: 'broken-watches', atMs: 14_806, durationMs: 4_240, node: 56, salt: 3_482_087_389 },
      { kind: 'outage', atMs: 18_425, durationMs: 1_629, node: 78, salt: 2_657_247_176 },
    ],
  },
  {
    // L2: the member record of the run before stayed, as only a mark of that very run ended it.
    name: 'a run whose store is slow dies before it has declared itself',
    seed: 7,
    faults: [
      { kind: 'slow-store', atMs: 7_331, durationMs: 1_200, node: 7, salt: 110 },
      { kind: 'purge-marks', atMs: 7_631, durationMs: 0, node: 7, salt: 110 },
      { kind: 'crash', atMs: 8_631, durationMs: 100_000, node: 7, salt: 110 },
    ],
  },
  {
    // L2: the check asked for answers that a fenced store must refuse, as nobody was left who knew the epochs.
    name: 'the bucket is lost after every process that knew its epochs has crashed',
    seed: 457_926_628,
    faults: [
      { kind: 'restart', atMs: 5_687, durationMs: 216, node: 20, salt: 2_227_498_390 },
      { kind: 'leave', atMs: 5_904, durationMs: 3_757, node: 20, salt: 2_408_883_498 },
      { kind: 'delete-bucket', atMs: 13_583, durationMs: 0, node: 15, salt: 4_081_613_874 },
      { kind: 'leave', atMs: 17_637, durationMs: 1_583, node: 97, salt: 211_981_036 },
      { kind: 'crash', atMs: 17_888, durationMs: 7_601, node: 97, salt: 263_236_423 },
      { kind: 'crash', atMs: 21_967, durationMs: 1_427, node: 84, salt: 2_860_505_117 },
      { kind: 'crash', atMs: 22_329, durationMs: 5_242, node: 84, salt: 1_697_735_589 },
      { kind: 'join', atMs: 23_165, durationMs: 5_171, node: 52, salt: 303_964_189 },
      { kind: 'delete-bucket', atMs: 24_716, durationMs: 0, node: 57, salt: 711_289_203 },
      { kind: 'crash', atMs: 32_738, durationMs: 6_748, node: 75, salt: 4_271_093_743 },
    ],
  },
];
