/** The import rules, as tables that architecture.test.ts checks against the source. */

/** What a package's `src` may import. A package that is not listed fails the test. */
interface PackageRule {
  /** Sibling packages, by the name of their folder. */
  readonly siblings: readonly string[];
  /** Foreign libraries. Each belongs to one package only. */
  readonly libraries: readonly string[];
  /** Whether `node:*` may be imported. */
  readonly node: boolean;
  /** Siblings and libraries that only its tests import, besides TEST_SIBLINGS and TEST_LIBRARIES. */
  readonly tests?: readonly string[];
}

export const PACKAGES: Readonly<Record<string, PackageRule>> = {
  core: { siblings: [], libraries: ['@noble/hashes', 'nanoid'], node: false },
  'transport-memory': { siblings: ['core'], libraries: [], node: false },
  'transport-nats': { siblings: ['core'], libraries: ['nats'], node: true },
  actors: {
    siblings: ['core'],
    libraries: ['lru-cache', '@standard-schema/spec'],
    node: false,
    tests: ['zod', 'valibot', 'arktype'],
  },
  app: {
    siblings: ['core', 'actors'],
    libraries: [],
    node: true,
    tests: ['transport-memory', 'transport-nats'],
  },
  durable: { siblings: ['core', 'actors'], libraries: [], node: false, tests: ['transport-memory', 'app'] },
  jetstream: {
    siblings: ['core', 'transport-nats'],
    libraries: [],
    node: true,
    tests: ['actors', 'app', 'durable', 'transport-memory', 'nats'],
  },
  opentelemetry: {
    siblings: ['core'],
    libraries: ['@opentelemetry/api'],
    node: false,
    tests: [
      'actors',
      'app',
      'transport-memory',
      'transport-nats',
      '@opentelemetry/semantic-conventions',
      '@opentelemetry/sdk-trace-base',
      '@opentelemetry/sdk-metrics',
      '@opentelemetry/context-async-hooks',
      '@opentelemetry/core',
      '@opentelemetry/exporter-trace-otlp-http',
      '@opentelemetry/resources',
      'opentelemetry-api-1.10',
    ],
  },
  prometheus: {
    siblings: ['core'],
    libraries: ['prom-client'],
    node: true,
    tests: ['transport-memory', 'actors', 'app'],
  },
  testing: { siblings: ['core', 'transport-memory', 'actors'], libraries: [], node: true },
  conformance: { siblings: ['core', 'testing', 'transport-memory'], libraries: ['vitest'], node: true },
  'create-clstr': { siblings: [], libraries: [], node: true },
};

/** What tests may import on top of what their package may. */
export const TEST_SIBLINGS: readonly string[] = ['testing'];
export const TEST_LIBRARIES: readonly string[] = ['vitest', 'fast-check', 'typescript'];

/** Files below `test` that read the sources of packages for the documents: no door has what they compare. */
export const SOURCE_READERS: readonly string[] = ['test/docs/option-tables.ts'];

/** The files of core that other packages may import, each a list of names: users, transports, stores, layers, siblings. */
export const CORE_DOORS: readonly string[] = ['index', 'wire', 'store', 'handler', 'internal'];

/**
 * The floors of core below its doors, top first: a file imports from its own floor or a lower one, never upwards.
 * Each entry is a folder. A file elsewhere fails the test.
 */
export const CORE_FLOORS: readonly (readonly string[])[] = [
  ['client', 'node'],
  ['cluster', 'state'],
  ['wire'],
  ['placement'],
  ['base'],
];
