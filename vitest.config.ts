// Tests run from the TypeScript source of every package, found by the export condition "@clstr/source".
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { logWatch } from './test/log-watch/plugin.ts';

/** `npm run coverage -- --mode strict` fails under this share of branches, in percent, per package. */
const BRANCHES_PERCENT = 95;
const MEASURED = [
  ...['core', 'transport-memory', 'transport-nats', 'actors', 'app'],
  ...['durable', 'jetstream', 'opentelemetry', 'prometheus'],
];

/**
 * Vite's own conditions for code that runs in Node, behind ours; not `module`, which Node does not know: behind it are files
 * that only bundlers can read.
 */
const CONDITIONS = ['@clstr/source', 'node', 'development|production'];

/** The package whose sources `npm run mutate` changes: the tests of the whole repository would take an hour per file. */
const MUTATED = process.env['MUTATED_PACKAGE'];

/** `vitest run --mode faults`: their figures are times, so they run alone, one file after the other. */
const FAULTS = {
  include: ['test/faults/**/*.test.ts'],
  globalSetup: ['test/faults/build.ts'],
  fileParallelism: false,
  disableConsoleIntercept: true,
};

export default defineConfig(({ mode }) => ({
  resolve: { conditions: CONDITIONS },
  ssr: { resolve: { conditions: CONDITIONS } },
  plugins: [logWatch()],
  test: {
    exclude: ['**/node_modules/**', '**/dist/**', 'test/faults/**'],
    setupFiles: ['test/log-watch/setup.ts'],
    // A test that hangs still ends; one on a machine that is busy with other work is not taken for it.
    testTimeout: 60_000,
    // Half of the time of a test file is waiting, so that two of them share even two processors well.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    include:
      MUTATED === undefined
        ? [
            'packages/*/test/**/*.test.ts',
            'examples/*/test/**/*.test.ts',
            'bench/test/**/*.test.ts',
            'test/**/*.test.ts',
          ]
        : [`packages/${MUTATED}/test/**/*.test.ts`],
    coverage: {
      provider: 'v8',
      include: MEASURED.map((name) => `packages/${name}/src/**/*.ts`),
      reporter: ['text', 'html', 'json-summary'],
      thresholds:
        mode === 'strict'
          ? Object.fromEntries(
              MEASURED.map((name) => [`packages/${name}/src/**`, { branches: BRANCHES_PERCENT }]),
            )
          : {},
    },
    ...(mode === 'faults' ? { ...FAULTS, exclude: [] } : {}),
  },
}));
