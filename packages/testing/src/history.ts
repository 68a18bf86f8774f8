/** Histories of calls, and their checkers. */
export { createHistory } from './checkers/history.ts';
export type { Completion, History, HistoryEvent, HistoryOptions, Invocation } from './checkers/history.ts';
export type { Operation, OperationOutcome } from './checkers/operation.ts';
export { readHistory } from './checkers/history-file.ts';
export { MalformedHistoryError } from './errors.ts';
export { counterModel, registerModel } from './checkers/sequential-model.ts';
export type { SequentialModel } from './checkers/sequential-model.ts';
export { checkLinearizable } from './checkers/linearizable.ts';
export type { LinearizableOptions } from './checkers/linearizable.ts';
export { checkCounters } from './checkers/counter-check.ts';
export type { Verdict, Violation } from './checkers/verdict.ts';
