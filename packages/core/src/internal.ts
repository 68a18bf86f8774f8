/** For the sibling packages alone: anything here may change in any release. */
export { isThenable } from './base/thenable.ts';
export { fingerprintOf } from './placement/fingerprint.ts';
export { isErrorCode } from './base/errors.ts';
export { chainTo, isOfChain } from './wire/call-chain.ts';
export { NOWHERE, heldBytes } from './wire/transport.ts';
export {
  announcementsOf,
  checkPlainSubject,
  describeSubject,
  isInbox,
  isPlainSubject,
  subjectOf,
} from './wire/subjects.ts';
export { DEFAULT_SERVICE, checkServiceName, serviceLocation, serviceOption } from './wire/service.ts';
export type { CallerTime } from './wire/waiting-replies.ts';
export { decodeText, decodeTextLossy, encodeText } from './base/bytes.ts';
export { counted } from './base/count-text.ts';
export { describe, printable } from './base/describe.ts';
export { MAX_DELAY_MS, checkInteger, checkKnownOptions, checkString, invalidOption } from './base/options.ts';
export {
  callback,
  callbacks,
  flag,
  handedOn,
  integer,
  methods,
  milliseconds,
  oneOf,
  option,
  optional,
  orMade,
  resolve,
  text,
} from './base/spec.ts';
export type { Check, Option, Resolved, Spec } from './base/spec.ts';
export { readAgreed } from './cluster/cluster.ts';
export { timingOption } from './cluster/timing.ts';
export { placementOption } from './placement/kind.ts';
export { abortDetached, captureContext, detached } from './base/async-context.ts';
export type { AsyncContext } from './base/async-context.ts';
export { anySignal, listenForAbort, stopListening } from './base/abort-listeners.ts';
export { inBackground } from './base/background.ts';
export { everySettled } from './base/every-settled.ts';
export { ByShard } from './base/by-shard.ts';
export type { OfShard } from './base/by-shard.ts';
export { Slices } from './base/slices.ts';
export { clockOption, pause, within } from './base/clock.ts';
export { Deadline, DeadlineWheel } from './base/deadline-wheel.ts';
export { randomId, systemRandom } from './base/random.ts';
export { loggerOption, safeLogger } from './base/observers.ts';
export { LateLogger } from './base/late-logger.ts';
export { silentLogger } from './base/logger.ts';
export { FloodLog } from './base/flood-log.ts';
export { createRareLog } from './base/rare-log.ts';
export type { RareLog } from './base/rare-log.ts';
export { noMetrics } from './base/metrics.ts';
export type { SafeMetrics } from './base/metrics.ts';
export { metricsOption, safeMetrics } from './base/safe-metrics.ts';
export { countBatch } from './wire/stats.ts';
export { noTracing } from './wire/tracing.ts';
