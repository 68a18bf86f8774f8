/** Keeps the direction of imports. The rules are data, in architecture/rules.ts. */
import { describe, expect, test } from 'vitest';
import { violations } from './architecture/check.ts';
import { importsOf } from './architecture/imports.ts';
import { readPages, readRepository } from './architecture/repository.ts';
import { CORE_FLOORS, PACKAGES } from './architecture/rules.ts';
import { givenUpWords } from './architecture/words.ts';

describe('the repository', () => {
  const files = readRepository();

  test('imports only in the allowed directions, without cycles', { timeout: 120_000 }, () => {
    expect(violations(files)).toEqual([]);
  });

  test('has the packages of the table, each with its source', () => {
    for (const name of Object.keys(PACKAGES))
      expect([...files.keys()]).toContain(`packages/${name}/src/index.ts`);
  });
});

describe('words that were given up', () => {
  test('stand in no source and in no page, decisions excepted', () => {
    const sources = [...readRepository()].filter(([path]) => /^packages\/[^/]+\/src\//.test(path));
    const texts = [...sources, ...readPages()];
    expect(texts.length).toBeGreaterThan(200);
    expect(texts.flatMap(([path, text]) => givenUpWords(path, text))).toEqual([]);
  });

  test.each([
    ['class Redelivery {}', ['a.ts:1: Redeliver']],
    ['first\nits tenure', ['a.ts:2: tenure']],
    ['StoreDelivery', []],
  ])('are found in %j', (text, found) => {
    expect(givenUpWords('a.ts', text)).toEqual(found);
  });
});

describe('the reader of imports', () => {
  test.each([
    [`import { a } from 'x';`],
    [`import type { A } from 'x';`],
    [`import 'x';`],
    [`export { a } from 'x';`],
    [`export type * from 'x';`],
    [`const a = await import('x');`],
    [`const a = await import(\`x\`);`],
    [`type A = import('x').A;`],
    [`import a = require('x');`],
    [`const a = require('x');`],
    [`const a = import.meta.resolve('x');`],
  ])('sees %s', (text) => {
    expect(importsOf('a.ts', `// line one\n${text}`)).toEqual([{ specifier: 'x', line: 2 }]);
  });

  test('sees none in comments and strings', () => {
    expect(importsOf('a.ts', `// import 'x'\nconst a = "import 'x'"; /* export * from 'x' */`)).toEqual([]);
  });
});

describe('the checker', () => {
  const manifest = JSON.stringify({
    exports: { '.': { '@clstr/source': './src/index.ts' }, './door': { '@clstr/source': './src/door.ts' } },
  });

  /** Checks one file among empty ones: the packages, and whatever `others` adds. */
  function check(path: string, text: string, others: Record<string, string> = {}): string[] {
    const files = new Map(Object.keys(PACKAGES).map((name) => [`packages/${name}/package.json`, manifest]));
    for (const name of Object.keys(PACKAGES)) files.set(`packages/${name}/src/index.ts`, '');
    for (const [other, content] of Object.entries(others)) files.set(other, content);
    return violations(files.set(path, text));
  }

  test.each([
    ['packages/core/src/client/client.ts', `import '@clstr/actors';`, /which core may not/],
    ['packages/actors/src/a.ts', `import type { A } from '@clstr/transport-memory';`, /which actors may not/],
    ['packages/transport-nats/src/a.ts', `import '@clstr/testing';`, /which transport-nats may not/],
    ['packages/testing/src/a.ts', `import '@clstr/transport-nats';`, /which testing may not/],
    ['packages/core/test/a.test.ts', `import '@clstr/actors';`, /which core may not/],
    ['packages/app/src/a.ts', `import '@clstr/transport-memory';`, /which app may not/],
    ['packages/actors/src/a.ts', `import '@clstr/core/src/shard.ts';`, /no door of @clstr\/core/],
    ['packages/actors/src/a.ts', `import '@clstr/cores';`, /no package here/],
    ['packages/actors/src/a.ts', `import '@clstr/actors';`, /its own package by name/],
    ['packages/actors/src/a.ts', `import '../../core/src/shard.ts';`, /leaves packages\/actors/],
    ['packages/actors/src/a.ts', `import '../test/a.ts';`, /leaves packages\/actors\/src/],
    ['packages/actors/test/a.test.ts', `import '../../core/src/shard.ts';`, /leaves packages\/actors/],
    ['test/a.test.ts', `import '../packages/core/src/placement/shard.ts';`, /leaves test/],
    ['test/docs/option-tables.ts', `import '../../packages/core/test/vectors.ts';`, /leaves test/],
    [
      'examples/counter/src/a.ts',
      `import '../../../packages/core/src/placement/shard.ts';`,
      /leaves examples\/counter/,
    ],
    ['test/kit/chaos/src/a.ts', `import '../../../faults/setting.ts';`, /leaves test\/kit\/chaos/],
    ['bench/src/a.ts', `await import('../../packages/core/dist/index.js');`, /leaves bench/],
    ['packages/actors/src/a.ts', `import '/packages/core/src/index.ts';`, /absolute path/],
    ['packages/core/src/placement/shard.ts', `import 'node:crypto';`, /node:crypto in core/],
    ['packages/actors/src/a.ts', `import { x } from 'node:timers';`, /node:timers in actors/],
    ['packages/transport-memory/src/a.ts', `import 'node:events';`, /node:events in transport-memory/],
    ['packages/core/src/placement/shard.ts', `import 'crypto';`, /without node:/],
    ['packages/actors/src/a.ts', `import 'nats';`, /nats, which actors may not/],
    ['packages/transport-nats/src/a.ts', `import '@noble/hashes/blake2.js';`, /@noble\/hashes, which/],
    ['packages/testing/src/cluster.ts', `import 'vitest';`, /vitest, which testing may not/],
    ['packages/core/src/client/client.ts', `import './gone.ts';`, /not there/],
    ['packages/core/src/gadget.ts', ``, /place it in CORE_FLOORS/],
    ['packages/core/src/gadgets/one.ts', ``, /place it in CORE_FLOORS/],
    ['packages/novelty/src/index.ts', ``, /add it to PACKAGES/],
  ])('refuses %s with %s', (path, text, message) => {
    const found = check(path, text);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
    expect(found[0]).toMatch(new RegExp(`^(${path}|packages/novelty):1 `));
  });

  test.each([
    ['packages/core/src/placement/shard.ts', `import { blake2b } from '@noble/hashes/blake2.js';`],
    ['packages/core/src/base/deep/one.ts', ``],
    ['packages/transport-nats/src/a.ts', `import 'nats'; import 'node:fs'; import '@clstr/core';`],
    ['packages/conformance/src/a.ts', `import { test } from 'vitest'; import '@clstr/testing';`],
    ['packages/core/test/a.test.ts', `import 'vitest'; import '@clstr/testing'; import '../src/index.ts';`],
    ['packages/app/test/a.test.ts', `import '@clstr/transport-memory'; import '@clstr/testing';`],
    ['packages/actors/src/a.ts', `import '@clstr/core/door';`],
    ['test/a.test.ts', `import '@clstr/core'; import 'nats'; import './architecture/b.ts';`],
    ['bench/src/a.ts', `import 'nats'; import '@clstr/transport-nats';`],
  ])('allows %s with %s', (path, text) => {
    expect(check(path, text, { 'test/architecture/b.ts': '' })).toEqual([]);
  });

  /** Every pair of neighbouring floors, once up and once down. */
  const neighbours = CORE_FLOORS.slice(1).map((floor, index) => ({
    high: CORE_FLOORS[index]![0]!,
    low: floor[0]!,
  }));

  test.each(neighbours)('refuses that $low imports $high in core, also as a type', ({ high, low }) => {
    const others = { [`packages/core/src/${high}/a.ts`]: '' };
    const found = check(`packages/core/src/${low}/b.ts`, `import type { A } from '../${high}/a.ts';`, others);
    expect(found).toEqual([expect.stringMatching(/imports upwards/)]);
  });

  test.each(neighbours)('allows that $high imports $low in core', ({ high, low }) => {
    const others = { [`packages/core/src/${low}/a.ts`]: '' };
    expect(check(`packages/core/src/${high}/b.ts`, `import '../${low}/a.ts';`, others)).toEqual([]);
  });

  test('refuses that a folder of core imports a door', () => {
    const found = check('packages/core/src/base/b.ts', `import '../wire.ts';`, {
      'packages/core/src/wire.ts': '',
    });
    expect(found).toEqual([expect.stringMatching(/imports upwards/)]);
  });

  test('refuses a cycle inside a package, types included', () => {
    const found = check('packages/core/src/wire/frame.ts', `import './frame-read.ts';`, {
      'packages/core/src/wire/frame-read.ts': `import './frame-write.ts';`,
      'packages/core/src/wire/frame-write.ts': `import type { A } from './frame.ts';`,
    });
    expect(found).toEqual([
      expect.stringMatching(/cycle: .*frame-read\.ts -> .*frame-write\.ts -> .*frame\.ts -> .*frame-read/),
    ]);
  });

  test('refuses a cycle between packages', () => {
    const found = check('packages/core/src/client/client.ts', `import '@clstr/actors';`, {
      'packages/core/src/index.ts': `import './client/client.ts';`,
      'packages/actors/src/index.ts': `import '@clstr/core';`,
    });
    expect(found).toContainEqual(expect.stringMatching(/cycle: .*core.*actors/));
  });

  test('refuses a library that two packages use', () => {
    const found = check('packages/core/src/client/client.ts', `import 'nats';`, {
      'packages/transport-nats/src/a.ts': `import 'nats';`,
    });
    expect(found).toContainEqual(expect.stringMatching(/one package per library/));
  });
});
