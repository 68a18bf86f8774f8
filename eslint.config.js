// What the linter holds: no floating promise, exhaustive switches, and that time and randomness are injected.
import tseslint from 'typescript-eslint';

/** Packages that run in simulated time: the injected Clock and Random are their only sources. */
const SIMULATED = ['packages/core/src/**', 'packages/actors/src/**', 'packages/transport-memory/src/**'];
/** The two files that read the system for everyone else. */
const SYSTEM_SEAMS = ['packages/core/src/base/clock.ts', 'packages/core/src/base/random.ts'];

const useClock = 'Use the injected Clock: the simulation runs in virtual time.';
const useRandom = 'Use the injected Random: the simulation is seeded.';
const noDom =
  'The DOM lib is there for names that every runtime has, such as AbortSignal; this one is the browser’s.';

const TIME_GLOBALS = [
  ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate'],
  ...['performance', 'requestAnimationFrame', 'requestIdleCallback', 'scheduler'],
].map((name) => ({ name, message: useClock }));

const DOM_GLOBALS = [
  ...['window', 'document', 'navigator', 'location', 'history', 'screen', 'self', 'top', 'parent', 'frames'],
  ...['localStorage', 'sessionStorage', 'indexedDB', 'caches', 'fetch', 'XMLHttpRequest', 'WebSocket'],
  ...['EventSource', 'Worker', 'SharedWorker', 'BroadcastChannel', 'alert', 'confirm', 'prompt', 'open'],
  ...['close', 'stop', 'focus', 'blur', 'print', 'postMessage', 'name', 'length', 'status'],
  ...['origin', 'event'],
  ...['HTMLElement', 'Element', 'Node', 'Request', 'Response', 'FileReader', 'Image', 'Notification'],
].map((name) => ({ name, message: noDom }));

const NO_DEFAULT_EXPORT = [
  {
    selector: 'ExportDefaultDeclaration, ExportSpecifier[exported.name="default"]',
    message: 'Named exports only.',
  },
  { selector: 'ExportAllDeclaration', message: 'Name what is exported: no export *.' },
  {
    selector:
      'SpreadElement[argument.type="ObjectExpression"][argument.properties.length>0], ' +
      'SpreadElement[argument.type="ArrayExpression"][argument.elements.length>0]',
    message: 'Write what the literal holds without the spread: a reader would ask what it overrides.',
  },
];

/** What callers and peers choose. Messages quote it, cut and escaped. */
const FOREIGN = '/^(key|type|header|actorCode|description)$/';
const useDescribe =
  'This text comes from outside: describe() or printable() it, or name the variable for what it is.';
const FOREIGN_TEXT = [
  { selector: `TemplateLiteral > Identifier[name=${FOREIGN}]`, message: useDescribe },
  { selector: `TemplateLiteral > MemberExpression[property.name=${FOREIGN}]`, message: useDescribe },
  {
    selector: 'TemplateLiteral > CallExpression[callee.object.name="JSON"][callee.property.name="stringify"]',
    message: 'JSON leaves marks that turn the direction of writing, and has no end: describe() it.',
  },
];

const SIMULATED_SYNTAX = [
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: useClock },
  { selector: "CallExpression[callee.name='Date']", message: useClock },
  { selector: "MemberExpression[object.name='globalThis']", message: 'Name globals directly.' },
];

const SIMULATED_PROPERTIES = [
  { object: 'Date', property: 'now', message: useClock },
  { object: 'AbortSignal', property: 'timeout', message: useClock },
  { object: 'Math', property: 'random', message: useRandom },
  { object: 'crypto', property: 'getRandomValues', message: useRandom },
  { object: 'crypto', property: 'randomUUID', message: useRandom },
];

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', 'coverage/**', '**/*.d.ts', 'test/consumers/**'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },

  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      // One program from source for all files: faster than one per package, and needs no build first.
      parserOptions: { project: ['./tsconfig.check.json'], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true },
      ],
      // A caught value that is passed on as it is.
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNullish: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none', ignoreRestSiblings: true },
      ],
      eqeqeq: ['error', 'always'],
      'no-console': 'error',

      // Off: they report style, or what the compiler options here already settle.
      '@typescript-eslint/no-non-null-assertion': 'off', // noUncheckedIndexedAccess on typed arrays asks for `!`
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off', // request<void, number>() is the API
      '@typescript-eslint/no-unnecessary-type-parameters': 'off', // request<User>('GetUser')
      '@typescript-eslint/no-redundant-type-constituents': 'off', // keyof of a type that is still growing
      '@typescript-eslint/unbound-method': 'off', // what a factory returns holds no `this`: destructuring it is fine
      '@typescript-eslint/unified-signatures': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-misused-spread': 'off', // [...text] by code point is what is meant here
      '@typescript-eslint/no-unnecessary-type-arguments': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off', // errors are recognised by name and code
      '@typescript-eslint/require-await': 'off', // an async function makes a throw a rejection
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
    },
  },

  {
    files: ['packages/*/src/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...NO_DEFAULT_EXPORT, ...FOREIGN_TEXT] },
  },
  {
    // They run in tests only: its texts are read by those who wrote the keys.
    files: ['packages/{testing,conformance}/src/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...NO_DEFAULT_EXPORT] },
  },

  {
    files: SIMULATED,
    ignores: SYSTEM_SEAMS,
    rules: {
      'no-restricted-globals': ['error', ...TIME_GLOBALS, ...DOM_GLOBALS],
      'no-restricted-properties': ['error', ...SIMULATED_PROPERTIES],
      'no-restricted-syntax': ['error', ...NO_DEFAULT_EXPORT, ...FOREIGN_TEXT, ...SIMULATED_SYNTAX],
    },
  },
  {
    files: SIMULATED,
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^node:', message: 'These packages also run where there is no Node.' }] },
      ],
    },
  },

  {
    // Tests hand over half-made values on purpose and assert on anything.
    files: ['packages/*/test/**/*.ts', 'test/**/*.ts', 'examples/*/test/**/*.ts', 'bench/test/**/*.ts'],
    ignores: ['test/kit/*/src/**'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/only-throw-error': 'off',
    },
  },
  {
    // Programs talk to a terminal.
    files: ['examples/**/*.ts', 'bench/**/*.ts', 'test/**/*.ts', 'packages/*/test/**/*.ts'],
    rules: { 'no-console': 'off' },
  },

  {
    // What must not compile has no type to be safe with.
    files: ['test/types/**'],
    rules: { '@typescript-eslint/no-unsafe-call': 'off' },
  },
);
