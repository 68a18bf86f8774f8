// Tests run from the TypeScript source of every package, found by the export condition "@clstr/source".
import { defineConfig } from 'vitest/config';

/** `npm run coverage -- --mode strict` fails under this share of branches, in percent, per package. */
const BRANCHES_PERCENT = 95;
const MEASURED = ['core', 'transport-memory', 'transport-nats', 'actors', 'app'];

/** Vite's own conditions for code that runs in Node, behind ours. */
const CONDITIONS = ['@clstr/source', 'module', 'node', 'development|production'];

export default defineConfig(({ mode }) => ({
  resolve: { conditions: CONDITIONS },
  ssr: { resolve: { conditions: CONDITIONS } },
  test: {
    include: [
      'packages/*/test/**/*.test.ts',
      'examples/*/test/**/*.test.ts',
      'bench/test/**/*.test.ts',
      'test/**/*.test.ts',
    ],
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
  },
}));
