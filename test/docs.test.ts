/**
 * Holds the documents against the code. `UPDATE_DOCS=1 npx vitest run test/docs.test.ts` rewrites what is made from it:
 * docs/reference/defaults.md and metrics.md, docs/nats-server.conf, the hex blocks of docs/protocol/v1.md, and parts of docs/operations.md.
 */
import { join } from 'node:path';
import { ERROR_CODES, TIMINGS, shardFromString } from '@clstr/core';
import type { ErrorCodeInfo } from '@clstr/core';
import { describe, expect, test } from 'vitest';
import { codeBlockProblems } from './docs/code-blocks.ts';
import { renderDefaults } from './docs/defaults-table.ts';
import { errorsTableProblems } from './docs/errors-table.ts';
import { DocumentedLayout, meaningOf } from './docs/frame-layout.ts';
import { decodeVector, encodeVector, fromHex } from './docs/frame-vectors.ts';
import type { FrameVector } from './docs/frame-vectors.ts';
import { hexBlockProblems, hexBlocks, withHexBlocks } from './docs/hex-blocks.ts';
import { REPOSITORY, brokenLinks } from './docs/links.ts';
import { anchorsOf, codeBlocksOf, linksOf, tablesOf } from './docs/markdown.ts';
import { exportedMetrics, metricsIn, renderMetrics } from './docs/metrics-table.ts';
import { renderServerConfig } from './docs/nats-server-config.ts';
import { logTableProblems } from './docs/log-lines.ts';
import { withOperationsParts } from './docs/operations-parts.ts';
import {
  defaultProblem,
  documentedFactories,
  forgottenTables,
  purposeOf,
  valueText,
} from './docs/option-tables.ts';
import { privateNames } from './docs/private-names.ts';
import { dashboardProblems } from './docs/dashboard-problems.ts';
import { ROOT, listFiles, readText, writeText } from './docs/repository.ts';

const PROTOCOL = 'docs/protocol/v1.md';
const ERRORS = 'docs/reference/errors.md';
const LOGS = 'docs/reference/logs.md';
const DEFAULTS = 'docs/reference/defaults.md';
const METRICS = 'docs/reference/metrics.md';
const DASHBOARD = 'docs/reference/grafana-dashboard.json';
const ALERTS = 'docs/reference/alerts.yml';
const OPERATIONS = 'docs/operations.md';
const SERVER_CONFIG = 'docs/nats-server.conf';
const TIMING = 'packages/core/src/cluster/timing.ts';
const HOW_TO_UPDATE = 'out of date: "UPDATE_DOCS=1 npx vitest run test/docs.test.ts" rewrites it';
/** One TypeScript program takes a few seconds on a slow machine. */
const COMPILE_TIMEOUT_MS = 60_000;

const files = new Map(listFiles().map((path) => [path, readText(path)]));
const documents = new Map([...files].filter(([path]) => path.endsWith('.md')));
const vectors = JSON.parse(readText('test/vectors/frames-v1.json')) as FrameVector[];

if (process.env['UPDATE_DOCS'] === '1') {
  writeText(DEFAULTS, renderDefaults());
  writeText(METRICS, await renderMetrics());
  writeText(SERVER_CONFIG, renderServerConfig());
  writeText(OPERATIONS, withOperationsParts(readText(OPERATIONS), readText(TIMING)));
  writeText(PROTOCOL, withHexBlocks(readText(PROTOCOL), vectors, new DocumentedLayout(readText(PROTOCOL))));
}

describe('the frame vectors', () => {
  test('have names of their own', () => {
    expect(new Set(vectors.map(({ name }) => name)).size).toBe(vectors.length);
  });

  test('cover every kind of entry and every result, malformed ones included', () => {
    const kinds = vectors.flatMap(({ decoded }) => decoded.map(({ kind }) => kind));
    const all = ['request', 'notify', 'reply', 'failure', 'cancel', 'batch-error', 'malformed'];
    expect([...new Set(kinds)].sort()).toEqual(all.sort());
    expect(new Set(vectors.map(({ result }) => result)).size).toBe(3);
  });

  test.each(vectors)('$name: is read as it says', ({ hex, result, decoded }) => {
    const read = decoded.map((entry) => ('isFinal' in entry ? { ...entry, isFinal: undefined } : entry));
    expect(decodeVector(hex)).toEqual({ result, decoded: read });
  });

  test.each(vectors.filter(({ isWritten }) => isWritten))('$name: is written so', ({ hex, decoded }) => {
    expect(encodeVector(decoded)).toBe(hex);
  });

  test.each(vectors.filter(({ name }) => name === 'request'))(
    '$name: goes to the home of its key',
    (vector) => {
      const [entry] = vector.decoded;
      expect(entry).toMatchObject({ key: 'user-123', shard: shardFromString('user-123', 1024) });
    },
  );
});

describe('docs/protocol/v1.md', () => {
  const markdown = readText(PROTOCOL);
  const layout = new DocumentedLayout(markdown);
  const isWellFormed = ({ result, decoded }: FrameVector): boolean =>
    result !== 'not-a-frame' && !decoded.some(({ kind }) => kind === 'malformed');

  test('has a table of bytes for every part of a frame', () => {
    expect(layout.headings).toEqual([
      'Batch header',
      'Entry header',
      'REQUEST and NOTIFY',
      'Headers block',
      'One header',
      'REPLY',
      'CANCEL',
      'BATCH_ERROR',
    ]);
  });

  test.each(vectors.filter(isWellFormed))('its tables read $name as the code does', ({ hex, decoded }) => {
    const bytes = fromHex(hex);
    expect(meaningOf(bytes, layout.read(bytes))).toEqual(decoded);
  });

  test('shows vectors in its hex blocks, each field as its tables say', () => {
    expect(hexBlockProblems(markdown, vectors, layout), HOW_TO_UPDATE).toEqual([]);
  });

  test('shows every kind in a hex block', () => {
    const shown = hexBlocks(markdown).map(({ name }) => vectors.find((vector) => vector.name === name));
    const kinds = shown.flatMap((vector) => vector!.decoded.map(({ kind }) => kind));
    const all = ['request', 'notify', 'reply', 'failure', 'cancel', 'batch-error'];
    expect([...new Set(kinds)].sort()).toEqual(all.sort());
  });

  test('has JSON blocks that parse, the Go envelope being one that the Go implementation printed', () => {
    const blocks = codeBlocksOf(markdown).filter(({ info }) => info.startsWith('json'));
    const parsed = new Map(blocks.map(({ info, text }) => [info, JSON.parse(text) as unknown]));
    const { envelopes } = JSON.parse(readText('test/vectors/clstr-go.json')) as {
      envelopes: { json: string }[];
    };
    expect(envelopes.map(({ json }) => JSON.parse(json) as unknown)).toContainEqual(
      parsed.get('json go-envelope'),
    );
  });
});

describe('the checks of the protocol', () => {
  const fence = '```';
  const tables = [
    ['## Batch header', '0|1|`magic`|', '1|1|`version`|', '2|rest|`entries`|'],
    ['## Entry header', '0|1|`kind`|', '1|4|`length`|', '5|`length`|`body`|'],
    ['## REPLY', '0|1|`flags`|', '1|8|`attempt`|', '9|rest|`payload`|'],
  ].map(([heading, ...rows]) =>
    [heading, '|offset|size|field|meaning|', '|-|-|-|-|', ...rows.map((row) => `|${row}|`)].join('\n'),
  );
  const flags = '|bit|name|meaning|\n|-|-|-|\n|1|`RAW`||\n|2|`ERROR`||\n|4|`FINAL`||';
  const kinds = '## Kinds\n|kind|name|\n|-|-|\n|3|`REPLY`|';
  const sample = [...tables, flags, kinds].join('\n\n');
  const vector = vectors.find(({ name }) => name === 'reply-raw')!;
  const block = withHexBlocks(`${fence}hex reply-raw\n${fence}`, vectors, new DocumentedLayout(sample));

  test('decode by the tables alone', () => {
    const bytes = fromHex(vector.hex);
    expect(meaningOf(bytes, new DocumentedLayout(sample).read(bytes))).toEqual(vector.decoded);
  });

  test('render one line per field', () => {
    expect(block.split('\n').map((line) => line.slice(37))).toEqual([
      '',
      'magic',
      'version 1',
      'kind 3 (REPLY)',
      'length 12',
      'flags RAW FINAL',
      'attempt 3',
      'payload',
      '',
    ]);
  });

  test.each([
    ['a gap in the offsets', sample.replace('|9|rest', '|10|rest'), /payload starts at 9, not at 10/],
    ['a wrong size', sample.replace('|1|8|', '|1|4|'), /payload starts at 5, not at 9/],
    ['a size that is no field', sample.replace('|5|`length`', '|5|`size`'), /which is no field above it/],
  ])('find %s', (_, markdown, message) => {
    expect(() => new DocumentedLayout(markdown)).toThrow(message);
  });

  test('find a flag with another bit', () => {
    const layout = new DocumentedLayout(sample.replace('|1|`RAW`', '|8|`RAW`'));
    const bytes = fromHex(vector.hex);
    expect(meaningOf(bytes, layout.read(bytes))).not.toEqual(vector.decoded);
  });

  test.each([
    ['a changed byte', block.replace('00 ff 10', '00 ff 11')],
    ['a changed field', block.replace('attempt 3', 'attempt 4')],
    ['a vector that is not there', block.replace('reply-raw', 'reply-rare')],
  ])('find %s in a hex block', (_, markdown) => {
    const layout = new DocumentedLayout(sample);
    expect(hexBlockProblems(block, vectors, layout)).toEqual([]);
    expect(hexBlockProblems(markdown, vectors, layout)).toHaveLength(1);
  });
});

describe('docs/reference/errors.md', () => {
  /** Codes that the packages make, read or pass on, as their source spells them. */
  const raised = new Set(
    [...files].flatMap(([path, text]) =>
      /^packages\/(?!testing\/)[^/]+\/src\//.test(path) && path !== 'packages/core/src/base/errors.ts'
        ? [...text.matchAll(/'([A-Z_]+)'/g)].map((match) => match[1]!)
        : [],
    ),
  );

  test('has the codes of core, each with its outcome and whether it is retryable', () => {
    expect(errorsTableProblems(readText(ERRORS), ERROR_CODES, raised)).toEqual([]);
  });
});

describe('the check of the errors table', () => {
  const codes: Record<string, ErrorCodeInfo> = {
    TIMEOUT: { outcome: 'unknown', retryable: false, text: '' },
    MOVED: { outcome: 'not-executed', retryable: true, text: '' },
  };
  const head = '|Code|When|Default outcome|Retryable|What to do|\n|-|-|-|-|-|\n';
  const timeout = '|`TIMEOUT`|late|unknown|no|wait|\n';
  const moved = '|`MOVED`|Reserved: moving|not-executed|yes|again|\n';

  test.each([
    ['nothing in a table that is right', head + timeout + moved, []],
    ['a missing table', 'none', ['no table with the columns Code,When,Default outcome,Retryable,What to do']],
    ['a missing code', head + timeout, ['MOVED has no row']],
    ['a code that is none', `${head}${timeout}${moved}|\`GONE\`|x|unknown|no|y|`, ['GONE is no code']],
    ['two rows of one code', head + timeout + timeout + moved, ['a code has two rows']],
    ['a wrong outcome', head + timeout.replace('unknown', 'executed') + moved, [/outcome/]],
    ['a wrong retryable', head + timeout.replace('|no|', '|yes|') + moved, [/retryable/]],
    ['an empty cell', head + timeout.replace('wait', '') + moved, ['TIMEOUT: a cell is empty']],
    ['a raised code called reserved', head + timeout.replace('late', 'Reserved') + moved, [/is raised/]],
    ['a reserved code that is not called so', head + timeout + moved.replace('Reserved: ', ''), [/nowhere/]],
  ] as const)('finds %s', (_, markdown, problems) => {
    const found = errorsTableProblems(markdown, codes, new Set(['TIMEOUT']));
    expect(found).toHaveLength(problems.length);
    for (const [index, problem] of problems.entries()) expect(found[index]).toMatch(problem);
  });
});

describe('docs/reference/defaults.md', () => {
  test('is what the packages say', () => {
    expect(readText(DEFAULTS), `${DEFAULTS} is ${HOW_TO_UPDATE}`).toBe(renderDefaults());
  });
});

describe('the options', () => {
  test('are those of every factory that has a table of them', () => {
    expect(forgottenTables()).toEqual([]);
  });

  test.each(documentedFactories())('of $name have the defaults that their comments name', ({ options }) => {
    expect(options.length).toBeGreaterThan(0);
    expect(options.map(defaultProblem).filter((problem) => problem !== undefined)).toEqual([]);
  });
});

describe('the check of the options', () => {
  test.each([
    [1_024, '1,024'],
    [67_108_864, '64 MiB'],
    [0, '0'],
    [false, 'false'],
    ['', "''"],
    ['auto', '`auto`'],
    [['SIGTERM', 'SIGINT'], "`['SIGTERM', 'SIGINT']`"],
    [TIMINGS.fast, '`fast`'],
    [[], undefined],
    [{}, undefined],
    [undefined, undefined],
  ])('spells the default %j as a comment does', (value, text) => {
    expect(valueText(value)).toBe(text);
  });

  test.each([
    ['the default', '5', 'Some time. Default 5.', undefined],
    ['the default, explained', '5', 'Default 5: as long as a beat.', undefined],
    ['another default', '5', 'Default 50.', 'the comment of name must say: Default 5'],
    ['no default', '5', 'Some time.', 'the comment of name must say: Default 5'],
    ['no comment', '5', '', 'the comment of name must say: Default 5'],
    ['words', undefined, 'Default: a new one.', undefined],
    ['a default that is none', undefined, 'Default 5.', /no plain default, but its comment names 5/],
  ])('finds whether a comment names %s', (_, value, comment, problem) => {
    const found = defaultProblem({ name: 'name', value, comment });
    if (problem instanceof RegExp) expect(found).toMatch(problem);
    else expect(found).toBe(problem);
  });

  test.each([
    ['Some time. Default 5.', 'Some time.'],
    ['Some time. Default 5: as long as a beat. It ends.', 'Some time. It ends.'],
    ['As {@link X.y}, or less. Default 5.', 'As `X.y`, or less.'],
  ])('takes the default out of %j', (comment, meaning) => {
    expect(purposeOf({ name: 'name', value: '5', comment })).toBe(meaning);
  });
});

describe('docs/operations.md', () => {
  const markdown = readText(OPERATIONS);

  test('goes with the configuration of a server that the code makes', () => {
    const config = readText(SERVER_CONFIG);
    expect(config, `${SERVER_CONFIG} is ${HOW_TO_UPDATE}`).toBe(renderServerConfig());
  });

  test('has timings, their rules and the users of nats-server as the packages have them', () => {
    expect(markdown, `${OPERATIONS} is ${HOW_TO_UPDATE}`).toBe(
      withOperationsParts(markdown, readText(TIMING)),
    );
    expect(markdown.match(/^- `.*(<=|>=).*`, or /gm)).toHaveLength(4);
  });
});

describe('docs/reference/logs.md', () => {
  const sources = new Map([...files].filter(([path]) => /^packages\/[^/]+\/src\//.test(path)));

  test('has a row for each line that the packages log, with its level, fields and message', () => {
    expect(logTableProblems(readText(LOGS), sources)).toEqual([]);
  });

  test.each([
    ["logger.warn({ nodeId }, 'no event')", ['a/src/a.ts:1 names no event', 'a.b is logged nowhere']],
    ["logger.warn({ event: 'a.b', x }, `it is ${x}`)", []],
    ["const fields = { x };\nthis.#floodLog.warn('a.b', fields, `it is ${x}`)", []],
    ["logger.error({ event: 'a.b' }, `it is ${x}`)", ['a.b: its level is error']],
    ["logger.warn({ event: 'a.b', y }, `it is ${x}`)", ['a.b has no column for y']],
    ["logger.warn({ event: 'a.b' }, 'it was')", ['a.b: no source has it is <x>']],
    ["logger.warn({ event: 'a.b' }, `it is ${x}`); logger.info({ event: 'a.c' }, 'x')", ['a.c has no row']],
  ])('is compared with %j', (text, problems) => {
    const table =
      '|event|level|fields|message|what to do|\n|-|-|-|-|-|\n|`a.b`|warn|`x`|`it is <x>`|nothing|';
    expect(logTableProblems(table, new Map([['a/src/a.ts', text]]))).toEqual(problems);
  });
});

describe('docs/security.md', () => {
  const markdown = readText('docs/security.md');
  const testsIn = (text: string) =>
    [...text.matchAll(/\[([^\]]+)\]\(\.\.\/([^)]+\.ts)\)/g)].map(([, name, path]) => ({
      name: name!,
      path: path!,
    }));

  test('names a test for each line of what somebody may do', () => {
    const claims = tablesOf(markdown).filter(({ columns }) => columns.at(-1) === 'test');
    const unproved = claims.flatMap(({ rows }) => rows.filter((row) => testsIn(row.at(-1)!).length === 0));
    expect([claims.length, unproved]).toEqual([4, []]);
  });

  test.each(testsIn(markdown))('$name is a test in $path', ({ name, path }) => {
    expect(path).toMatch(/\.test\.ts$|\/conformance\//);
    expect(path.endsWith(`/${name}`) || readText(path).includes(name), `${path} has no "${name}"`).toBe(true);
  });
});

describe('links', () => {
  test.each([...documents.keys()])('of %s lead somewhere', (path) => {
    expect(brokenLinks(path, files)).toEqual([]);
  });

  const sample = new Map([
    ['docs/a.md', ''],
    ['docs/b.md', '# Two words\n# `code` & more\n# Two words'],
    ['src/c.ts', ''],
  ]);
  const check = (text: string): string[] =>
    brokenLinks('docs/a.md', new Map([...sample, ['docs/a.md', text]]));

  test.each([
    ['[b](b.md)'],
    ['[b](./b.md "title")'],
    ['[b](<b.md>)'],
    ['[b](b.md#two-words)'],
    ['[b](b.md#two-words-1)'],
    ['[b](b.md#code--more)'],
    ['# Here\n[b](#here)'],
    ['[c](../src/c.ts#L3)'],
    ['[src](../src) [src](../src/)'],
    ['[b]: b.md'],
    ['<a href="b.md">'],
    ['[x](https://example.com/none.md)'],
    [`[b](${REPOSITORY}/blob/main/docs/b.md#two-words)`],
    ['`[x](none.md)`'],
    ['```\n[x](none.md)\n```'],
  ])('%s is right', (text) => {
    expect(check(text)).toEqual([]);
  });

  test.each([
    ['[x](none.md)', /there is no docs\/none\.md/],
    ['[x](b.md) and [y](none.md)', /none\.md/],
    ['![x](<no ne.png>)', /no ne\.png/],
    ['[x]: none.md', /none\.md/],
    ['<img src="none.png">', /none\.png/],
    [`[x](${REPOSITORY}/blob/main/docs/none.md)`, /there is no docs\/none\.md/],
    ['[x](b.md#three-words)', /no heading for #three-words/],
    ['[x](#nowhere)', /no heading for #nowhere/],
    ['[x](/docs/b.md)', /relative/],
    ['[x](../../b.md)', /leaves the repository/],
    ['```\ncode\n```\n[x](none.md)', /^docs\/a\.md:4 /],
  ])('%s is found', (text, message) => {
    expect(check(text)).toEqual([expect.stringMatching(message)]);
  });
});

describe('the metrics', () => {
  const named = async (): Promise<string[]> => (await exportedMetrics()).map(({ name }) => name).sort();

  test('are all in the table, as the package exports them, with what to do', async () => {
    expect(readText(METRICS), HOW_TO_UPDATE).toBe(await renderMetrics());
    expect(readText(METRICS)).not.toMatch(/\| +\|$/m);
  });

  test('are all on the dashboard, and it asks for no others', async () => {
    expect([...metricsIn(readText(DASHBOARD))].sort()).toEqual(await named());
  });

  test('make the dashboard by its script', async () => {
    const { dashboardText } = (await import(join(ROOT, 'scripts/dashboard.mjs'))) as {
      dashboardText(): Promise<string>;
    };
    expect(readText(DASHBOARD), 'out of date: "node scripts/dashboard.mjs" rewrites it').toBe(
      await dashboardText(),
    );
  });

  test('make a dashboard that Grafana declares so', { timeout: COMPILE_TIMEOUT_MS }, () => {
    expect(dashboardProblems(DASHBOARD, readText(DASHBOARD))).toEqual([]);
  });

  test.each([
    ['gridPos', 'gridPoss'],
    ['unit', 'units'],
    ['displayMode', 'displaymode'],
    ['allValue', 'allValues'],
  ])(
    'would not make a dashboard with the property %s as %s',
    { timeout: COMPILE_TIMEOUT_MS },
    (name, wrong) => {
      const problems = dashboardProblems(DASHBOARD, readText(DASHBOARD).replace(`"${name}"`, `"${wrong}"`));
      expect(problems).toEqual([
        expect.stringMatching(`^${DASHBOARD}:\\d+ .*"${wrong}"' does not exist in type`),
      ]);
    },
  );

  test('are what the alerts ask for, and operations says what to do about each', async () => {
    const known = await named();
    expect([...metricsIn(readText(ALERTS))].filter((name) => !known.includes(name))).toEqual([]);
    const alerts = [...readText(ALERTS).matchAll(/- alert: (\w+)/g)].map(([, name]) => name!);
    const table = tablesOf(readText(OPERATIONS)).find(({ heading }) => heading === 'Alerts');
    expect(table?.rows.map(([alert]) => alert)).toEqual(alerts.map((name) => `\`${name}\``));
  });
});

describe('docs/README.md', () => {
  const linked = new Set(linksOf(readText('docs/README.md')).map(({ target }) => target.split('#')[0]));

  test('links to every page of docs, decisions and the API excepted', () => {
    const pages = [...documents.keys()].filter((path) => /^docs\/(?!README|decisions\/|api\/@)/.test(path));
    expect(pages.filter((path) => !linked.has(path.replace('docs/', '')))).toEqual([]);
  });

  test('is the source of llms.txt', async () => {
    const { llmsText } = (await import(join(ROOT, 'scripts/llms.mjs'))) as { llmsText(): string };
    expect(readText('llms.txt'), 'out of date: "node scripts/llms.mjs" rewrites it').toBe(llmsText());
  });
});

describe('what npm shows of a package', () => {
  const manifests = [...files].filter(([path]) => /^packages\/[^/]+\/package\.json$/.test(path));

  test.each(manifests)('%s names its home', (path, text) => {
    const directory = path.replace('/package.json', '');
    const manifest = JSON.parse(text) as { keywords: string[] };
    expect(manifest).toMatchObject({
      homepage: `${REPOSITORY}/tree/main/${directory}#readme`,
      repository: { type: 'git', url: `git+${REPOSITORY}.git`, directory },
      bugs: `${REPOSITORY}/issues`,
    });
    expect(manifest.keywords).toContain('clstr');
  });

  test.each(manifests)(
    'the README beside %s says how to install it, and its links work there',
    (path, text) => {
      const readme = files.get(path.replace('package.json', 'README.md'))!;
      const { name } = JSON.parse(text) as { name: string };
      expect(codeBlocksOf(readme)[0]!.text).toMatch(new RegExp(`^npm (install .*${name}\\b|create clstr )`));
      expect(linksOf(readme).filter(({ target }) => !/^(https:|#)/.test(target))).toEqual([]);
    },
  );
});

describe('TypeScript in documents', () => {
  test(
    'compiles against the packages',
    () => {
      expect(codeBlockProblems(documents)).toEqual([]);
    },
    COMPILE_TIMEOUT_MS,
  );

  test(
    'is found where it does not compile, at its line',
    () => {
      const text = [
        '```ts',
        `import { createClient } from '@clstr/core';`,
        'createClient({ nothing: 1 });',
        '```',
        '```ts',
        `import { gone } from '@clstr/core';`,
        '```',
        '```ts',
        `const = 1;`,
        '```',
        '```ts',
        '// @no-compile: a sketch',
        'const = 1;',
        '```',
        '```ts',
        '// @no-compile',
        'const = 1;',
        '```',
        '```ts',
        '// @no-compile:',
        'const = 1;',
        '```',
        '```js',
        'const = 1;',
        '```',
        '```ts',
        `import { shardFromString } from '@clstr/core';`,
        `shardFromString('key', 1024);`,
        '```',
      ].join('\n');
      const found = codeBlockProblems(new Map([['docs/sample.md', text]]));
      expect([...new Set(found.map((problem) => problem.split(' ')[0]))]).toEqual(
        [16, 20, 3, 6, 9].map((line) => `docs/sample.md:${line}`),
      );
      expect(found.join('\n')).toMatch(
        /needs a reason[^]*'nothing' does not exist[^]*no exported member 'gone'/,
      );
    },
    COMPILE_TIMEOUT_MS,
  );
});

describe('the files of the repository', () => {
  test('name no path of a machine and no registry', () => {
    expect([...files].flatMap(([path, text]) => privateNames(path, text))).toEqual([]);
  });

  /** Put together here, so that this file does not hold what it forbids. */
  const absolute = (...parts: string[]): string => ['', ...parts].join('/');
  const pieces = (...parts: string[]): string => parts.join('');

  test.each([
    [`cd ${absolute('work', 'main')}`],
    [`const a = '${absolute('home', 'ada', 'a.ts')}';`],
    [`(${absolute('Users', 'ada', 'a.ts')})`],
    [absolute('root', '.npmrc')],
    [pieces('C:\\', 'Users\\ada')],
    [pieces('file:', '///srv/a.ts')],
    [pieces('"resolved', '": "https://host/a.tgz"')],
    [pieces('registry', '=https://host')],
    [pieces('@scope:registry', '=https://host')],
    [pieces('https://', 'registry.host/a')],
    [pieces('//host/', ':_authToken=x')],
  ])('would be found with %s', (text) => {
    expect(privateNames('a', `first\n${text}`)).toEqual([expect.stringMatching(/^a:2 names /)]);
  });

  test.each([
    ['see ./work/main and docs/home/page.md'],
    ['packages/*/src/home/a.ts'],
    ['"resolved": "packages/core"'],
    ['https://docs.nats.io/work/main'],
    ['the registry of types'],
    ['omit-lockfile-registry-resolved=true'],
  ])('are right with %s', (text) => {
    expect(privateNames('a', text)).toEqual([]);
  });

  test('are not looked at when they are binary', () => {
    expect(privateNames('a', `\0 ${absolute('work', 'main')}`)).toEqual([]);
  });
});

describe('the reader of Markdown', () => {
  const text = [
    '# One',
    'text [a](b) `[c](d)`',
    '| x | y |',
    '|---|---|',
    '| `1` | a \\| b |',
    '',
    '## One',
    '~~~ts',
    '# no heading',
    '```',
    '| no | table |',
    '~~~',
    '````md',
    '```ts',
    '```',
    '````',
  ].join('\n');

  test('finds code blocks with their line, nested fences included', () => {
    expect(codeBlocksOf(text)).toEqual([
      { info: 'ts', text: '# no heading\n```\n| no | table |', line: 9 },
      { info: 'md', text: '```ts\n```', line: 14 },
    ]);
  });

  test('finds tables under their heading', () => {
    expect(tablesOf(text)).toEqual([{ heading: 'One', columns: ['x', 'y'], rows: [['`1`', 'a \\| b']] }]);
  });

  test('finds headings and links outside of code', () => {
    expect([...anchorsOf(text)]).toEqual(['one', 'one-1']);
    expect(linksOf(text)).toEqual([{ target: 'b', line: 2 }]);
  });
});
