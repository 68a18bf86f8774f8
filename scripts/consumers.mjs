// Compiles the projects of test/consumers against the packages as npm would publish them, with every TypeScript that
// test/consumers/typescript-* names. It needs a build. The hello example is compiled as part of the Node project. It does
// the same with a project that `npm create clstr` writes, and runs the tests of that.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const ROOT = path.dirname(import.meta.dirname);
const SOURCES = path.join(ROOT, 'test/consumers');
const PACKAGES = [
  'core',
  'transport-memory',
  'transport-nats',
  'actors',
  'app',
  'testing',
  'conformance',
  'durable',
  'jetstream',
  'prometheus',
  'opentelemetry',
  'create-clstr',
];
const PROJECTS = ['node', 'services', 'observed', 'browser'];
/** A program that sees only its direct dependencies, as pnpm lays them out: the types of its exports must be nameable. */
const DIRECT = { project: 'declarations', packages: ['app', 'actors', 'transport-nats', 'transport-memory'] };
/** The other dependencies of the projects. */
const OWN_DEPENDENCIES = ['zod', '@types/node', 'vitest', '@opentelemetry/api'];
/** The project that create-clstr writes. */
const CREATED = 'my-service';

const folder = mkdtempSync(path.join(tmpdir(), 'clstr-consumers-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
for (const name of PROJECTS) cpSync(path.join(SOURCES, name), path.join(folder, name), { recursive: true });
cpSync(path.join(ROOT, 'examples/hello/src/main.ts'), path.join(folder, 'node/hello.ts'));
for (const name of OWN_DEPENDENCIES) linkDependency(name, ROOT);
installPackages();
const apart = installDirect();
execFileSync(process.execPath, [path.join(folder, 'node_modules/create-clstr/dist/main.js'), CREATED], {
  cwd: folder,
  stdio: ['ignore', 'ignore', 'inherit'],
});

for (const compiler of readdirSync(SOURCES).filter((name) => name.startsWith('typescript-'))) {
  const tsc = path.join(findDependency('typescript', path.join(SOURCES, compiler)), 'bin/tsc');
  const version = execFileSync(process.execPath, [tsc, '--version'], { encoding: 'utf8' }).trim();
  if (!version.startsWith(`Version ${compiler.slice('typescript-'.length)}.`)) {
    throw new Error(`test/consumers/${compiler} runs ${version}: install again`);
  }
  const outcomes = await Promise.all([
    ...[...PROJECTS, CREATED].map((project) => compile(tsc, project)),
    compile(tsc, DIRECT.project, apart),
  ]);
  for (const { project, status, output } of outcomes) {
    if (status === 0) continue;
    console.error(`${version} refuses ${project}:\n${output}`);
    process.exitCode = 1;
  }
}

const vitest = spawnSync(
  process.execPath,
  [path.join(folder, 'node_modules/vitest/vitest.mjs'), 'run', '--dir', 'test'],
  { cwd: path.join(folder, CREATED), encoding: 'utf8' },
);
if (vitest.status !== 0) {
  console.error(`the tests of ${CREATED} fail:\n${vitest.stdout}${vitest.stderr}`);
  process.exitCode = 1;
}

/** Unpacks rather than installs the packages: each finds what it declares, without the network. */
function installPackages() {
  const workspaces = PACKAGES.flatMap((name) => ['--workspace', `packages/${name}`]);
  const packed = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder, ...workspaces], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      shell: process.platform === 'win32',
    }),
  );
  for (const { name, filename } of packed) {
    const target = path.join(folder, 'node_modules', name);
    mkdirSync(target, { recursive: true });
    execFileSync('tar', ['-xzf', filename, '--strip-components=1', '-C', target], { cwd: folder });
    const { dependencies = {} } = JSON.parse(readFileSync(path.join(target, 'package.json'), 'utf8'));
    const source = path.join(ROOT, 'packages', path.basename(name));
    for (const dependency of Object.keys(dependencies)) {
      if (!dependency.startsWith('@clstr/')) linkDependency(dependency, source);
    }
  }
}

/** Uses a folder of its own, so that no lookup upwards finds other dependencies. */
function installDirect() {
  const root = mkdtempSync(path.join(tmpdir(), 'clstr-direct-'));
  process.on('exit', () => rmSync(root, { recursive: true, force: true }));
  const names = DIRECT.packages.map((name) => `@clstr/${name}`);
  const dependencies = Object.fromEntries(names.map((name) => [name, '*']));
  writeFileSync(path.join(root, 'package.json'), JSON.stringify({ type: 'module', dependencies }));
  cpSync(path.join(SOURCES, DIRECT.project), path.join(root, DIRECT.project), { recursive: true });
  for (const name of [...names, '@types/node']) {
    const link = path.join(root, 'node_modules', name);
    mkdirSync(path.dirname(link), { recursive: true });
    symlinkSync(realpathSync(path.join(folder, 'node_modules', name)), link, 'junction');
  }
  return root;
}

function linkDependency(name, from) {
  const link = path.join(folder, 'node_modules', name);
  mkdirSync(path.dirname(link), { recursive: true });
  if (!existsSync(link)) symlinkSync(findDependency(name, from), link, 'junction');
}

/** A workspace has a node_modules of its own when it needs another version than the rest. */
function findDependency(name, workspace) {
  const own = path.join(workspace, 'node_modules', name);
  return existsSync(own) ? own : path.join(ROOT, 'node_modules', name);
}

function compile(tsc, project, root = folder) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [tsc, '-p', path.join(root, project), '--pretty', 'false'], {
      cwd: root,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    child.on('close', (status) => resolve({ project, status, output }));
  });
}
