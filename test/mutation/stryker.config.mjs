// Read by scripts/mutate.mjs alone.
export default {
  testRunner: 'vitest',
  plugins: [`${import.meta.dirname}/node_modules/@stryker-mutator/vitest-runner/dist/src/index.js`],
  vitest: { configFile: 'vitest.config.ts', related: true },
  reporters: ['clear-text'],
  clearTextReporter: { reportTests: false, logTests: false, skipFull: true },
  coverageAnalysis: 'perTest',
  concurrency: 2,
  inPlace: true,
  tempDirName: 'test/mutation/.stryker',
  thresholds: { high: 95, low: 85, break: 75 },
};
