/** OpenTelemetry for clstr: spans by the RPC conventions. */
export { openTelemetryTracing } from './tracing.ts';
export type { OpenTelemetryTracingOptions } from './options.ts';
export { activateSpans, contextOf } from './handler-context.ts';
export type { HandledMessage } from './handler-context.ts';
