// Writes docs/api: the public declarations of the doors that users need, as TypeDoc renders them.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Application, Converter } from 'typedoc';

const ROOT = path.dirname(import.meta.dirname);
/** Doors by their source, without those for packages that build on clstr. The first door that has a name describes it. */
const DOORS = {
  'core/src/index': '@clstr/core',
  'core/src/store': '@clstr/core/store',
  'core/src/wire': '@clstr/core/wire',
  'actors/src/index': '@clstr/actors',
  'actors/src/keyed': '@clstr/actors/keyed',
  'durable/src/index': '@clstr/durable',
  'jetstream/src/index': '@clstr/jetstream',
  'app/src/index': '@clstr/app',
  'opentelemetry/src/index': '@clstr/opentelemetry',
  'prometheus/src/index': '@clstr/prometheus',
  'transport-nats/src/index': '@clstr/transport-nats',
  'transport-memory/src/index': '@clstr/transport-memory',
  'testing/src/index': '@clstr/testing',
  'testing/src/history': '@clstr/testing/history',
  'testing/src/nats': '@clstr/testing/nats',
  'conformance/src/index': '@clstr/conformance',
};

const { values } = parseArgs({ options: { out: { type: 'string', default: path.join(ROOT, 'docs/api') } } });
const app = await Application.bootstrapWithPlugins({
  entryPoints: Object.keys(DOORS).map((door) => path.join(ROOT, 'packages', `${door}.ts`)),
  tsconfig: path.join(ROOT, 'tsconfig.check.json'),
  basePath: path.join(ROOT, 'packages'),
  plugin: ['typedoc-plugin-markdown'],
  out: values.out,
  name: 'API',
  readme: 'none',
  router: 'module',
  disableSources: true, // line numbers would change with every commit
  disableGit: true,
  skipErrorChecking: true, // `npm run types` does it
  sortEntryPoints: false,
  excludeExternals: true,
  useHTMLAnchors: true, // the numbers that it gives to repeated headings are not always GitHub's
  hidePageHeader: true,
  hideBreadcrumbs: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  classPropertiesFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  propertyMembersFormat: 'table',
  typeDeclarationFormat: 'table',
  enumMembersFormat: 'table',
  logLevel: 'Warn',
});
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  for (const module of project.children) {
    module.name = DOORS[module.name] ?? DOORS[`${module.name}/index`];
  }
});
const project = await app.convert();
if (project === undefined) throw new Error('TypeDoc found no declarations');
rmSync(values.out, { recursive: true, force: true });
await app.generateOutputs(project);
