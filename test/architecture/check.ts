/** Holds a set of files against the tables in rules.ts and says what breaks them. */
import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import type { Import } from './imports.ts';
import { importsOf } from './imports.ts';
import { CORE_DOORS, CORE_FLOORS, PACKAGES, SOURCE_READERS, TEST_LIBRARIES, TEST_SIBLINGS } from './rules.ts';

/** Files by their path from the repository root, `/` between folders; manifests (package.json) among them. */
export type Files = ReadonlyMap<string, string>;

/** One sentence per broken rule, each starting with `path:line`. Empty when all is well. */
export function violations(files: Files): string[] {
  const sources = [...files].filter(([path]) => path.endsWith('.ts'));
  const imports = new Map(sources.map(([path, text]) => [path, importsOf(path, text)]));
  return [
    ...[...imports].flatMap(([path, list]) => list.flatMap((one) => problemsOf(files, path, one))),
    ...librariesUsedTwice(imports),
    ...cycles(files, imports),
    ...unplacedCoreFiles([...imports.keys()]),
  ];
}

/** The part of the repository that a file belongs to: what its relative imports may not leave. */
interface Home {
  readonly root: string;
  /** The folder name below packages/, if it is one of them. */
  readonly pkg: string | undefined;
  readonly isTest: boolean;
}

function homeOf(path: string): Home {
  const [top, name, inner] = path.split('/');
  if (path.startsWith('test/kit/')) return { root: `test/kit/${inner}`, pkg: undefined, isTest: false };
  if (top === 'packages') return { root: `packages/${name}`, pkg: name, isTest: inner !== 'src' };
  if (top === 'examples') return { root: `examples/${name}`, pkg: undefined, isTest: false };
  return { root: top!, pkg: undefined, isTest: top === 'test' };
}

function problemsOf(files: Files, path: string, { specifier, line }: Import): string[] {
  const home = homeOf(path);
  const at = `${path}:${line}`;
  if (specifier.startsWith('.')) return relativeProblems(files, path, home, specifier, at);
  if (specifier.startsWith('/') || specifier.startsWith('file:')) return [`${at} imports by absolute path`];
  const problem = specifier.startsWith('@clstr/')
    ? siblingProblem(files, home, specifier)
    : isBuiltin(specifier)
      ? builtinProblem(home, specifier)
      : libraryProblem(home, libraryOf(specifier));
  return problem === undefined ? [] : [`${at} ${problem}`];
}

function relativeProblems(files: Files, path: string, home: Home, specifier: string, at: string): string[] {
  const target = posix.join(posix.dirname(path), specifier);
  if (SOURCE_READERS.includes(path) && /^packages\/[^/]+\/src\//.test(target)) return [];
  if (!target.startsWith(`${home.root}/`)) return [`${at} leaves ${home.root} with ${specifier}`];
  if (home.pkg !== undefined && !home.isTest && !target.startsWith(`${home.root}/src/`)) {
    return [`${at} leaves ${home.root}/src with ${specifier}`];
  }
  if (!files.has(target))
    return target.endsWith('.ts') ? [`${at} imports ${target}, which is not there`] : [];
  if (home.pkg !== 'core' || home.isTest) return [];
  const [from, to] = [floorOf(path), floorOf(target)];
  return from !== undefined && to !== undefined && to < from ? [`${at} imports upwards: ${target}`] : [];
}

function siblingProblem(files: Files, home: Home, specifier: string): string | undefined {
  const [, name, ...rest] = specifier.split('/');
  const door = ['.', ...rest].join('/');
  const manifest = files.get(`packages/${name}/package.json`);
  if (manifest === undefined) return `imports ${specifier}, which is no package here`;
  const { exports } = JSON.parse(manifest) as { exports: Record<string, unknown> };
  if (!(door in exports)) return `imports ${specifier}, which is no door of @clstr/${name}`;
  if (home.pkg === undefined) return undefined;
  if (home.pkg === name) return home.isTest ? undefined : `imports its own package by name`;
  const { siblings = [], tests = [] } = PACKAGES[home.pkg] ?? {};
  const allowed = [...siblings, ...(home.isTest ? [...tests, ...TEST_SIBLINGS] : [])];
  return allowed.includes(name!) ? undefined : `imports ${specifier}, which ${home.pkg} may not`;
}

function builtinProblem(home: Home, specifier: string): string | undefined {
  if (!specifier.startsWith('node:')) return `imports ${specifier} without node:`;
  if (home.pkg === undefined || home.isTest) return undefined;
  return PACKAGES[home.pkg]?.node === true ? undefined : `imports ${specifier} in ${home.pkg}`;
}

function libraryProblem(home: Home, library: string): string | undefined {
  if (home.pkg === undefined) return undefined;
  const { libraries = [], tests = [] } = PACKAGES[home.pkg] ?? {};
  const allowed = [...libraries, ...(home.isTest ? [...tests, ...TEST_LIBRARIES] : [])];
  return allowed.includes(library) ? undefined : `imports ${library}, which ${home.pkg} may not`;
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || builtinModules.includes(specifier);
}

/** `@scope/name/door` and `name/door` without their door. */
function libraryOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** Independent of the table: also two packages that are both allowed a library may not both use it. */
function librariesUsedTwice(imports: ReadonlyMap<string, Import[]>): string[] {
  const users = new Map<string, Map<string, string>>();
  for (const [path, list] of imports) {
    const { pkg, isTest } = homeOf(path);
    if (pkg === undefined || isTest) continue;
    for (const { specifier, line } of list) {
      if (/^[./]|^@clstr\//.test(specifier) || isBuiltin(specifier)) continue;
      const library = libraryOf(specifier);
      const packages = users.get(library) ?? new Map<string, string>();
      users.set(library, packages.set(pkg, `${path}:${line}`));
    }
  }
  return [...users]
    .filter(([, packages]) => packages.size > 1)
    .map(([library, packages]) => {
      const [first, ...others] = [...packages.values()];
      return `${others.join(', ')} imports ${library}, which ${first} already does: one package per library`;
    });
}

/** Every cycle among files, type imports included, found once, as the path that closes it. */
function cycles(files: Files, imports: ReadonlyMap<string, Import[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const open: string[] = [];
  const visit = (path: string): void => {
    if (done.has(path)) return;
    const start = open.indexOf(path);
    if (start >= 0) {
      found.push(`${path}:1 is in an import cycle: ${[...open.slice(start), path].join(' -> ')}`);
      return;
    }
    open.push(path);
    for (const { specifier } of imports.get(path) ?? []) {
      const target = resolve(files, path, specifier);
      if (target !== undefined && imports.has(target)) visit(target);
    }
    open.pop();
    done.add(path);
  };
  for (const path of imports.keys()) visit(path);
  return found;
}

/** The file behind a specifier, through the source condition of a package's door. */
function resolve(files: Files, path: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(path), specifier);
  const [scope, name, ...rest] = specifier.split('/');
  const manifest = files.get(`packages/${name}/package.json`);
  if (scope !== '@clstr' || manifest === undefined) return undefined;
  const { exports } = JSON.parse(manifest) as { exports: Record<string, Record<string, string>> };
  const source = exports[['.', ...rest].join('/')]?.['@clstr/source'];
  return source === undefined ? undefined : posix.join(`packages/${name}`, source);
}

/** 0 for a door, and from 1 on the place of its folder in CORE_FLOORS. */
function floorOf(path: string): number | undefined {
  const file = path.replace('packages/core/src/', '').replace(/\.ts$/, '');
  if (CORE_DOORS.includes(file)) return 0;
  const floor = CORE_FLOORS.findIndex((folders) => folders.some((folder) => file.startsWith(`${folder}/`)));
  return floor < 0 ? undefined : floor + 1;
}

function unplacedCoreFiles(paths: readonly string[]): string[] {
  const unplaced = paths.filter(
    (path) => path.startsWith('packages/core/src/') && floorOf(path) === undefined,
  );
  const unknown = new Set(
    paths
      .filter((path) => path.startsWith('packages/'))
      .map((path) => path.split('/')[1]!)
      .filter((name) => !(name in PACKAGES)),
  );
  return [
    ...unplaced.map(
      (path) => `${path}:1 stands on no floor: place it in CORE_FLOORS of test/architecture/rules.ts`,
    ),
    ...[...unknown].map(
      (name) => `packages/${name}:1 has no row: add it to PACKAGES of test/architecture/rules.ts`,
    ),
  ];
}
