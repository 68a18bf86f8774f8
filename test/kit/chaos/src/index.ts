export { ChaosCluster } from './cluster.ts';
export type { ChaosClusterOptions, ChaosNode, ChaosResult, NodeStart } from './cluster.ts';
export { NodeFailure } from './node-child.ts';
export type { NodeChild, NodeExit } from './node-child.ts';
export type { NodeOrder, NodeReport } from './node-reports.ts';
export type { Load, LoadOptions } from './load.ts';
export type { CallPlan, EndedCall, Recorder } from './recorder.ts';
export type { Audit, Move, OwnerLog } from './owner-log.ts';
export { judgeHistory } from './verdict.ts';
export type { ChaosVerdict } from './verdict.ts';
export {
  countErrors,
  describeErrors,
  describeTimes,
  longestGap,
  longestGapOfAKey,
  percentile,
  recoveryMs,
} from './measures.ts';
export { nowMs } from './now.ts';
