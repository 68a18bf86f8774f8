/** Re-exported so that a program without another clstr dependency can name these types of an app. */
export type { Client, Logger, Metrics, Node, NodeInfo, ScopedClient, Transport } from '@clstr/core';
export { createApp } from './app.ts';
export type { App } from './app.ts';
export { connectClient } from './connect-client.ts';
export type { ConnectOptions, ConnectedClient } from './connect-client.ts';
export { healthHandler } from './health/handler.ts';
export type { HealthFollower, HealthHandler } from './health/handler.ts';
export { HEALTH_REASONS } from './health/reasons.ts';
export type { HealthCode, HealthEffect, HealthReason, HealthReasonInfo } from './health/reasons.ts';
export type { AppState, Health } from './health/health.ts';
export type { NodeHealth } from './health/node-health.ts';
export type { EventLoopHealth } from './health/event-loop.ts';
export { defaults } from './options.ts';
export type { AppOptions } from './options.ts';
export { diagnosticsTracing } from './diagnostics-tracing.ts';
export type { CallDiagnostics, HandlerDiagnostics } from './diagnostics-tracing.ts';
export { stderrLogger } from './stderr-logger.ts';
export type { LogLevel, StderrLoggerOptions } from './stderr-logger.ts';
