/** The options of every factory: values from its table, words from the comments of its interface. */
import { TIMINGS } from '@clstr/core';
import ts from 'typescript';
import { actorHandlerSpec } from '../../packages/actors/src/actor-handler-options.ts';
import { contractSpec } from '../../packages/actors/src/contract.ts';
import { implementationSpec } from '../../packages/actors/src/implementation.ts';
import { requestSpec } from '../../packages/actors/src/method.ts';
import { keyHandlerSpec, scopedHandlerSpec } from '../../packages/actors/src/options.ts';
import { appSpec } from '../../packages/app/src/options.ts';
import { stderrLoggerSpec } from '../../packages/app/src/stderr-logger.ts';
import type { Option } from '../../packages/core/src/base/spec.ts';
import { clientSpec } from '../../packages/core/src/client/options.ts';
import { idempotencySpec } from '../../packages/core/src/node/idempotency-options.ts';
import { anySpec } from '../../packages/core/src/client/to-nodes.ts';
import { drainSpec, nodeSpec } from '../../packages/core/src/node/options.ts';
import { sheddingSpec } from '../../packages/core/src/node/shedding-options.ts';
import { placementSpec } from '../../packages/core/src/placement/placement.ts';
import { durableStateSpec } from '../../packages/durable/src/durable-state.ts';
import { eventSourcedSpec, eventSpec } from '../../packages/durable/src/event-sourced.ts';
import { jetstreamStoreSpec } from '../../packages/jetstream/src/jetstream-store.ts';
import { metricsSpec } from '../../packages/opentelemetry/src/metrics-options.ts';
import { tracingSpec } from '../../packages/opentelemetry/src/tracing-options.ts';
import { prometheusSpec } from '../../packages/prometheus/src/prometheus-metrics.ts';
import { fencedStoreClientSpec } from '../../packages/testing/src/checkers/fenced-store-client.ts';
import { fencedStoreServerSpec } from '../../packages/testing/src/checkers/fenced-store-server.ts';
import { linearizableSpec } from '../../packages/testing/src/checkers/linearizable.ts';
import { fakeClockSpec } from '../../packages/testing/src/fake-clock.ts';
import { natsServerSpec } from '../../packages/testing/src/nats-server.ts';
import { tcpProxySpec } from '../../packages/testing/src/tcp-proxy.ts';
import { testActorSpec } from '../../packages/testing/src/test-actor.ts';
import { testClusterSpec } from '../../packages/testing/src/test-cluster.ts';
import { memoryClusterSpec } from '../../packages/transport-memory/src/memory-cluster.ts';
import { memoryBusSpec } from '../../packages/transport-memory/src/memory-bus.ts';
import { memoryMembershipSpec } from '../../packages/transport-memory/src/memory-membership.ts';
import { memoryStateSpec } from '../../packages/transport-memory/src/memory-state-store.ts';
import { memoryStoreSpec, provisionedSpec } from '../../packages/transport-memory/src/memory-store.ts';
import { memoryTransportSpec } from '../../packages/transport-memory/src/memory-transport.ts';
import { membershipSpec, provisionSpec } from '../../packages/transport-nats/src/membership-options.ts';
import { natsClusterSpec } from '../../packages/transport-nats/src/nats-cluster.ts';
import { natsTransportSpec } from '../../packages/transport-nats/src/nats-options.ts';
import { permissionsSpec } from '../../packages/transport-nats/src/permissions.ts';
import { listFiles, readText } from './repository.ts';

interface Factory {
  readonly name: string;
  readonly spec: Readonly<Record<string, Option<unknown>>>;
  /** The interface of its options, with the comments that users read. */
  readonly options: string;
}

export interface DocumentedOption {
  readonly name: string;
  /** As comments spell it; undefined where it is no plain value, and for an option that has to be given. */
  readonly value: string | undefined;
  readonly comment: string;
}

const FACTORIES: Readonly<Record<string, readonly Factory[]>> = {
  core: [
    { name: 'createClient', spec: clientSpec, options: 'ClientOptions' },
    { name: 'client.any', spec: anySpec, options: 'AnyOptions' },
    { name: 'createNode', spec: nodeSpec, options: 'NodeOptions' },
    { name: 'createNode: idempotency', spec: idempotencySpec, options: 'IdempotencyOptions' },
    { name: 'createNode: shedding', spec: sheddingSpec, options: 'SheddingOptions' },
    { name: 'node.drain', spec: drainSpec, options: 'DrainOptions' },
    { name: 'createPlacement', spec: placementSpec, options: 'PlacementOptions' },
  ],
  'transport-nats': [
    { name: 'natsCluster', spec: natsClusterSpec, options: 'NatsClusterOptions' },
    { name: 'natsTransport', spec: natsTransportSpec, options: 'NatsTransportOptions' },
    { name: 'natsMembership', spec: membershipSpec, options: 'NatsMembershipOptions' },
    { name: 'provisionCluster', spec: provisionSpec, options: 'ProvisionOptions' },
    { name: 'natsPermissions', spec: permissionsSpec, options: 'NatsPermissionsOptions' },
  ],
  'transport-memory': [
    { name: 'memoryCluster', spec: memoryClusterSpec, options: 'MemoryClusterOptions' },
    { name: 'createMemoryBus', spec: memoryBusSpec, options: 'MemoryBusOptions' },
    { name: 'memoryTransport', spec: memoryTransportSpec, options: 'MemoryTransportOptions' },
    { name: 'memoryMembership', spec: memoryMembershipSpec, options: 'MemoryMembershipOptions' },
    { name: 'createMemoryStore', spec: memoryStoreSpec, options: 'MemoryStoreOptions' },
    { name: 'memoryStateStore', spec: memoryStateSpec, options: 'MemoryStateOptions' },
    { name: 'createMemoryStore: provision', spec: provisionedSpec, options: 'ProvisionedCluster' },
  ],
  actors: [
    { name: 'actorHandler', spec: actorHandlerSpec, options: 'ActorHandlerOptions' },
    { name: 'defineActor', spec: contractSpec, options: 'ContractOptions' },
    { name: 'implement', spec: implementationSpec, options: 'Implementation' },
    { name: 'request', spec: requestSpec, options: 'RequestFlags' },
    { name: 'keyHandler', spec: keyHandlerSpec, options: 'KeyHandlerOptions' },
    { name: 'scopedHandler', spec: scopedHandlerSpec, options: 'ScopedHandlerOptions' },
  ],
  app: [
    { name: 'createApp', spec: appSpec, options: 'AppOptions' },
    { name: 'stderrLogger', spec: stderrLoggerSpec, options: 'StderrLoggerOptions' },
  ],
  durable: [
    { name: 'durableState', spec: durableStateSpec, options: 'DurableStateOptions' },
    { name: 'eventSourced', spec: eventSourcedSpec, options: 'EventSourcedOptions' },
    { name: 'eventSourced: events', spec: eventSpec, options: 'VersionedEvent' },
  ],
  jetstream: [{ name: 'jetstreamStore', spec: jetstreamStoreSpec, options: 'JetStreamStoreOptions' }],
  opentelemetry: [
    { name: 'openTelemetryTracing', spec: tracingSpec, options: 'OpenTelemetryTracingOptions' },
    { name: 'openTelemetryMetrics', spec: metricsSpec, options: 'OpenTelemetryMetricsOptions' },
  ],
  prometheus: [{ name: 'prometheusMetrics', spec: prometheusSpec, options: 'PrometheusOptions' }],
  testing: [
    { name: 'testActor', spec: testActorSpec, options: 'TestActorOptions' },
    { name: 'testCluster', spec: testClusterSpec, options: 'TestClusterOptions' },
    { name: 'fakeClock', spec: fakeClockSpec, options: 'FakeClockOptions' },
    { name: 'checkLinearizable', spec: linearizableSpec, options: 'LinearizableOptions' },
    { name: 'startNatsServer', spec: natsServerSpec, options: 'NatsServerOptions' },
    { name: 'startTcpProxy', spec: tcpProxySpec, options: 'TcpProxyOptions' },
  ],
  'testing/internal': [
    { name: 'connectFencedStore', spec: fencedStoreClientSpec, options: 'FencedStoreClientOptions' },
    { name: 'serveFencedStore', spec: fencedStoreServerSpec, options: 'FencedStoreServerOptions' },
  ],
};

/** The options of each factory, by package. */
export function documentedFactories(): { package: string; name: string; options: DocumentedOption[] }[] {
  const comments = new InterfaceComments();
  return Object.entries(FACTORIES).flatMap(([folder, factories]) =>
    factories.map(({ name, spec, options }) => {
      const commentOf = comments.of(options);
      return {
        package: folder,
        name,
        options: Object.entries(spec).map(([option, { fallback }]) => ({
          name: option,
          value: fallback === undefined ? undefined : valueText(fallback()),
          comment: commentOf.get(option) ?? '',
        })),
      };
    }),
  );
}

/** The tables in the sources that no factory above has, by their names. */
export function forgottenTables(): string[] {
  const listed = readText('test/docs/option-tables.ts');
  return sources()
    .flatMap(({ text }) => [...text.matchAll(/export const (\w+Spec)\b/g)].map((match) => match[1]!))
    .filter((table) => !listed.includes(`spec: ${table},`));
}

/** What is wrong with the defaults that a comment names, in one sentence; undefined when nothing is. */
export function defaultProblem({ name, value, comment }: DocumentedOption): string | undefined {
  const named = /\bDefault (?<text>.*)/.exec(comment)?.groups?.['text'];
  if (value === undefined) {
    return named === undefined ? undefined : `${name} has no plain default, but its comment names ${named}`;
  }
  if (named?.startsWith(value) === true && /^([.,:;]|$)/.test(named.slice(value.length))) return undefined;
  return `the comment of ${name} must say: Default ${value}`;
}

/** What an option is for: its comment without the default. */
export function purposeOf({ value, comment }: DocumentedOption): string {
  const [before, after = ''] = comment.split(`Default ${value!}`);
  return `${before!}${after.replace(/^.*?(\. |\.$)/, '')}`.trim().replace(/\{@link (\S+)\}/g, '`$1`');
}

/** As users would write it; undefined for what is no plain value. */
export function valueText(value: unknown): string | undefined {
  const profile = Object.entries(TIMINGS).find(([, timing]) => timing === value);
  if (profile !== undefined) return `\`${profile[0]}\``;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return value === '' ? "''" : `\`${value}\``;
  if (typeof value === 'number') {
    return value > 0 && value % MEBIBYTE === 0 ? `${value / MEBIBYTE} MiB` : value.toLocaleString('en-US');
  }
  if (!Array.isArray(value) || value.length === 0) return undefined;
  return `\`[${value.map((item) => `'${String(item)}'`).join(', ')}]\``;
}

const MEBIBYTE = 1_048_576;

/** The comments of the members of interfaces, those that are inherited included. */
class InterfaceComments {
  readonly #interfaces = new Map<string, ts.InterfaceDeclaration>();

  constructor() {
    for (const { path, text } of sources()) {
      for (const node of parse(path, text).statements) {
        if (ts.isInterfaceDeclaration(node)) this.#interfaces.set(node.name.text, node);
      }
    }
  }

  of(name: string): Map<string, string> {
    const declaration = this.#interfaces.get(name);
    if (declaration === undefined) return new Map();
    const inherited = (declaration.heritageClauses ?? []).flatMap(({ types }) =>
      types.flatMap(({ expression }) => [...this.of(expression.getText())]),
    );
    return new Map([...inherited, ...commentsOf(declaration.members)]);
  }
}

/** The comments of the members of an object that is a constant. */
export function constantComments(path: string, name: string): Map<string, string> {
  for (const node of parse(path, readText(path)).statements) {
    if (!ts.isVariableStatement(node)) continue;
    for (const { name: found, initializer } of node.declarationList.declarations) {
      if (found.getText() !== name || initializer === undefined) continue;
      const literal = ts.isAsExpression(initializer) ? initializer.expression : initializer;
      if (ts.isObjectLiteralExpression(literal)) return new Map(commentsOf(literal.properties));
    }
  }
  throw new Error(`${path} has no object ${name}`);
}

function commentsOf(members: readonly ts.NamedDeclaration[]): [name: string, comment: string][] {
  return members.flatMap((member) => {
    const comment = ts.getJSDocCommentsAndTags(member).find(ts.isJSDoc)?.comment;
    const text = ts.getTextOfJSDocComment(comment)?.replace(/\s+/g, ' ');
    return text === undefined ? [] : [[member.name!.getText(), text]];
  });
}

function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

function sources(): { path: string; text: string }[] {
  const paths = listFiles().filter((path) => /^packages\/[^/]+\/src\/.*\.ts$/.test(path));
  return paths.map((path) => ({ path, text: readText(path) }));
}
