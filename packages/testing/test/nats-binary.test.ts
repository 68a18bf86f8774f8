import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { isClstrError } from '@clstr/core';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { findNatsServer, hasNatsServer } from '../src/nats-binary.ts';

let folder: string;
let program: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clstr-binary-'));
  program = join(folder, 'nats-server');
  writeFileSync(program, '');
  chmodSync(program, 0o755);
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

test('takes NATS_SERVER_BIN before anything else', () => {
  vi.stubEnv('NATS_SERVER_BIN', process.execPath);
  vi.stubEnv('PATH', folder);
  expect(findNatsServer()).toBe(process.execPath);
});

test('finds the program in the PATH, and no folder or text file of its name', () => {
  vi.stubEnv('NATS_SERVER_BIN', '');
  const decoy = mkdtempSync(join(folder, 'decoy-'));
  writeFileSync(join(decoy, 'nats-server'), '', { mode: 0o644 });
  vi.stubEnv('PATH', [decoy, join(folder, 'missing'), folder].join(delimiter));
  expect(findNatsServer()).toBe(program);
});

test('says how to install it when NATS_SERVER_BIN cannot run', () => {
  vi.stubEnv('NATS_SERVER_BIN', join(folder, 'missing'));
  const found = (): string => findNatsServer();
  expect(found).toThrow(/NATS_SERVER_BIN=.*missing is not an executable file/);
  expect(found).toThrow(/apt-get install nats-server/);
  try {
    found();
  } catch (error) {
    expect(isClstrError(error, 'CONNECT_FAILED')).toBe(true);
  }
});

test('is a skip with a printed reason on a developer machine, and a failure with CI=true', () => {
  const printed = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  vi.stubEnv('NATS_SERVER_BIN', join(folder, 'missing'));
  vi.stubEnv('CI', '');
  expect(hasNatsServer()).toBe(false);
  expect(printed.mock.calls.join()).toMatch(/^Skipped, because NATS_SERVER_BIN=/);
  vi.stubEnv('CI', 'true');
  expect(() => hasNatsServer()).toThrow(/brew install/);
  vi.stubEnv('NATS_SERVER_BIN', program);
  expect(hasNatsServer()).toBe(true);
});
