/**
 * `npm run first-hour`: follows README.md and further pages as a newcomer does, block by block, and says how long each
 * took. The folder is empty, outside of the repository, with an empty npm cache; the packages of this repository come
 * from a registry on this machine, and a clone comes from this repository, so that all commands run as printed. `-- tutorial` follows the pages with that in their names.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { REPOSITORY } from '../docs/links.ts';
import { blocksOf, commandsOf } from './blocks.ts';
import type { PageBlock } from './blocks.ts';
import { PRINTED } from './readme.ts';
import { startRegistry } from './registry.ts';
import { Terminal, plainEnvironment, withoutComment } from './terminal.ts';

/** A typed answer of a cluster of three nodes comes with this command. */
const PAGES = [
  { page: 'README.md', firstAnswer: /^npm run demo( +#|$)/ },
  { page: 'docs/tutorial.md', firstAnswer: /calls\.ts &$/ },
  { page: 'packages/create-clstr/README.md', firstAnswer: /^curl -X POST/ },
];
/** What a newcomer may leave out. */
const LEFT_OUT: readonly (readonly [command: RegExp, reason: string])[] = [
  [/^npm test +#.*all checks/, '(left out: CI runs them)'],
];
const COMMAND_TIMEOUT_MS = 300_000;
/** Where Debian puts nats-server. */
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin'];
/** How long a program runs that goes on until Ctrl-C. */
const WATCHED_MS = 10_000;

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'clstr-first-hour-'));
const registry = await startRegistry(ROOT, folder);
try {
  const [wanted = ''] = process.argv.slice(2);
  for (const { page, firstAnswer } of PAGES.filter((each) => each.page.includes(wanted))) {
    await follow(page, firstAnswer);
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  registry.close();
  rmSync(folder, { recursive: true, force: true });
}

async function follow(page: string, firstAnswer: RegExp): Promise<void> {
  const cwd = join(folder, page.replaceAll(/\W/g, '-'));
  mkdirSync(cwd);
  const env = environment(cwd);
  const terminal = new Terminal({ cwd, env, timeoutMs: COMMAND_TIMEOUT_MS });
  let totalMs = 0;
  console.log(`\n${page}\n\n seconds    total  line  command`);
  try {
    for (const block of blocksOf(readFileSync(join(ROOT, page), 'utf8'))) {
      for (const command of await stepsOf(block, cwd, terminal)) {
        const [, reason = ''] = LEFT_OUT.find(([pattern]) => pattern.test(command)) ?? [];
        const startMs = performance.now();
        if (reason === '') await runCommand(command, block, { terminal, env, page });
        const ms = performance.now() - startMs;
        totalMs += ms;
        const shown =
          `${String(block.line).padStart(5)}  ${withoutComment(command).replace(cwd, '.')} ${reason}`.trimEnd();
        console.log(`${seconds(ms)} ${seconds(totalMs)} ${shown}`);
        if (firstAnswer.test(command)) console.log(`${' '.repeat(25)}the first answer of three nodes`);
      }
    }
  } finally {
    terminal.close();
  }
}

/** A newcomer saves a program that has a name, and runs one that has none, in the folder that has its packages. */
async function stepsOf(block: PageBlock, cwd: string, terminal: Terminal): Promise<string[]> {
  if (block.info === 'sh') return commandsOf(block);
  if (block.info !== 'ts') return [];
  if (block.file === undefined) {
    const file = `line-${block.line}.mts`;
    writeFileSync(join(cwd, file), block.text);
    return [`(cd ${cwd} && node --import tsx ${file})`];
  }
  writeFileSync(join(await terminal.folder(), block.file), block.text);
  return [];
}

interface Setting {
  readonly terminal: Terminal;
  readonly env: NodeJS.ProcessEnv;
  readonly page: string;
}

async function runCommand(
  command: string,
  block: PageBlock,
  { terminal, env, page }: Setting,
): Promise<void> {
  const where = `${page}:${block.line}: "${command}"`;
  if (command.includes('then Ctrl-C')) {
    await runUntilInterrupted(command, { cwd: await terminal.folder(), env, where });
    return;
  }
  const { code, output } = await terminal.run(command);
  if (code !== 0) throw new Error(`${where} ended with ${code}:\n${output}`);
  const expected = page === 'README.md' ? PRINTED.find(({ title }) => title === block.title) : undefined;
  if (expected !== undefined && command.includes('--import tsx') && !output.endsWith(expected.stdout)) {
    throw new Error(`${where} printed ${output}`);
  }
}

async function runUntilInterrupted(
  command: string,
  { cwd, env, where }: { cwd: string; env: NodeJS.ProcessEnv; where: string },
): Promise<void> {
  const child = spawn(command, { cwd, env, shell: true, detached: true, stdio: 'ignore' });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const early = await Promise.race([ended, pause(WATCHED_MS, 'runs' as const)]);
  if (early !== 'runs') throw new Error(`${where} ended with ${early}`);
  process.kill(-child.pid!, 'SIGINT');
  await ended;
}

/** Of a newcomer: nothing of this repository's own npm settings, and nothing in the cache. */
function environment(cwd: string): NodeJS.ProcessEnv {
  const temporary = `${cwd}-temporary`;
  mkdirSync(temporary);
  const gitUrls = {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `url.${ROOT}.insteadOf`,
    GIT_CONFIG_VALUE_0: REPOSITORY,
  };
  return {
    ...plainEnvironment(),
    ...gitUrls,
    TMPDIR: temporary, // where nats-server keeps its streams, which outlive it
    PATH: [process.env['PATH'], ...SERVER_FOLDERS].join(delimiter),
    npm_config_registry: registry.url,
    npm_config_cache: join(folder, `cache-${cwd.length}`),
    npm_config_update_notifier: 'false',
    npm_config_yes: 'true', // the reader's answer when `npm create` asks whether it may download
  };
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1).padStart(8);
}
