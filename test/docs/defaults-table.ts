/** Renders docs/reference/defaults.md. */
import { defaults as actors } from '@clstr/actors';
import { envelopeLimits } from '@clstr/core/wire';
import { constantComments, documentedFactories, purposeOf, valueText } from './option-tables.ts';
import { table } from './table.ts';

/** The whole document, formatted as the formatter wants it. */
export function renderDefaults(): string {
  const sections = [
    '# Defaults',
    'Made from the option tables of the packages and the comments of their interfaces, which a test holds equal to this\nfile: change the source, then run `UPDATE_DOCS=1 npx vitest run test/docs.test.ts`.',
    ...factories(),
    '## Limits that no option changes',
    'Every message, on every transport: `envelopeLimits` of `@clstr/core/wire`.',
    limits('packages/core/src/wire/envelope.ts', 'envelopeLimits', envelopeLimits),
    'Every actor: `defaults` of `@clstr/actors`.',
    limits('packages/actors/src/defaults.ts', 'defaults', actors),
  ];
  return `${sections.join('\n\n')}\n`;
}

function factories(): string[] {
  let folder = '';
  return documentedFactories().flatMap((factory) => {
    const options = factory.options.filter(({ value }) => value !== undefined);
    if (options.length === 0) return [];
    const heading = folder === factory.package ? [] : [`## \`@clstr/${factory.package}\``];
    folder = factory.package;
    const rows = options.map((option) => [`\`${option.name}\``, option.value!, purposeOf(option)]);
    return [...heading, `### \`${factory.name}\``, table([['option', 'default', 'meaning'], ...rows])];
  });
}

function limits(path: string, name: string, values: Readonly<Record<string, unknown>>): string {
  const rows = [...constantComments(path, name)].map(([limit, meaning]) => [
    `\`${limit}\``,
    valueText(values[limit])!,
    meaning,
  ]);
  return table([['limit', 'value', 'meaning'], ...rows]);
}
