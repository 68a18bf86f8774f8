export { testActor } from './test-actor.ts';
export type { ActorUnderTest, TestActorOptions } from './test-actor.ts';
export { fakeRef } from './fake-ref.ts';
export type { FakeMethods, FakeRef, SentCall } from './fake-ref.ts';
export type { LogRecord } from './log-record.ts';
export { testCluster } from './test-cluster.ts';
export type { TestCluster, TestClusterOptions } from './test-cluster.ts';

export { startNatsServer } from './nats-server.ts';
export type { NatsServer, NatsServerOptions } from './nats-server.ts';
export { findNatsServer, hasNatsServer } from './nats-binary.ts';

export { fakeClock } from './fake-clock.ts';
export type { FakeClock, FakeClockOptions } from './fake-clock.ts';
export { deferred } from './deferred.ts';
export type { Deferred } from './deferred.ts';
export { defaults } from './defaults.ts';
