import * as stable from '@opentelemetry/semantic-conventions';
import { expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import * as ours from '../src/conventions.ts';

const published: Readonly<Record<string, unknown>> = { ...stable };

test.each([
  'RPC_SYSTEM_NAME',
  'RPC_METHOD',
  'RPC_METHOD_ORIGINAL',
  'RPC_STATUS_CODE',
  'SERVER_ADDRESS',
  'ERROR_TYPE',
] as const)('%s is what the conventions export as stable', (name) => {
  expect(published[`ATTR_${name}`]).toBeDefined();
  expect(ours[name]).toBe(published[`ATTR_${name}`]);
});

test('the metrics are what the conventions export as stable', () => {
  expect(ours.CLIENT_DURATION).toBe(stable.METRIC_RPC_CLIENT_CALL_DURATION);
  expect(ours.SERVER_DURATION).toBe(stable.METRIC_RPC_SERVER_CALL_DURATION);
  expect(ours.ERROR_TYPE_OTHER).toBe(stable.ERROR_TYPE_VALUE_OTHER);
});

test('all other names are our own', () => {
  const names = Object.entries(ours).filter(([name]) => /^(CLSTR|RETRY)_/.test(name));
  expect(names.length).toBeGreaterThan(10);
  for (const [, value] of names) expect(value).toMatch(/^clstr\.[a-z_.]+$/);
});

test('the schema is that of the version that the names come from', () => {
  const { devDependencies } = manifest;
  expect(ours.SCHEMA_URL.endsWith(`/${devDependencies['@opentelemetry/semantic-conventions']}`)).toBe(true);
});

test('the scope of spans names the version of this package', () => {
  expect([ours.SCOPE, ours.VERSION]).toEqual([manifest.name, manifest.version]);
});
