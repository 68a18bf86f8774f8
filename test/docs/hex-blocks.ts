/** Worked examples: the bytes of a vector, each line with the field that the tables see in them. */
import type { DocumentedLayout, Field } from './frame-layout.ts';
import { fromHex, toHex } from './frame-vectors.ts';
import type { FrameVector } from './frame-vectors.ts';
import { codeBlocksOf } from './markdown.ts';

const BYTES_PER_LINE = 12;
const TEXTS = new Set(['type', 'key', 'name', 'value', 'payload', 'code']);

/** One sentence per hex block that is not what its vector looks like. */
export function hexBlockProblems(
  markdown: string,
  vectors: readonly FrameVector[],
  layout: DocumentedLayout,
): string[] {
  return hexBlocks(markdown).flatMap(({ name, text, line }) => {
    const vector = vectors.find((one) => one.name === name);
    if (vector === undefined) return [`line ${line}: no vector is named "${name}"`];
    return text === render(vector, layout)
      ? []
      : [`line ${line}: the bytes or fields are not those of ${name}`];
  });
}

/** The document with the content of every hex block made anew. */
export function withHexBlocks(
  markdown: string,
  vectors: readonly FrameVector[],
  layout: DocumentedLayout,
): string {
  return markdown.replaceAll(/^```hex (\S+)\n[^]*?^```$/gm, (block, name: string) => {
    const vector = vectors.find((one) => one.name === name);
    return vector === undefined ? block : `\`\`\`hex ${name}\n${render(vector, layout)}\n\`\`\``;
  });
}

export function hexBlocks(markdown: string): { name: string; text: string; line: number }[] {
  return codeBlocksOf(markdown).flatMap(({ info, text, line }) => {
    const [language, name = ''] = info.split(' ');
    return language === 'hex' ? [{ name, text, line }] : [];
  });
}

function render({ hex }: FrameVector, layout: DocumentedLayout): string {
  const bytes = fromHex(hex);
  const lines = layout.read(bytes).flatMap(({ fields }) => fields.flatMap((field) => linesOf(bytes, field)));
  return lines.join('\n');
}

function linesOf(bytes: Uint8Array, field: Field): string[] {
  const part = bytes.subarray(field.start, field.end);
  if (part.length === 0) return [];
  const chunks = TEXTS.has(field.name) ? textChunks(part) : [{ bytes: part, text: '' }];
  return chunks.map((chunk, index) => {
    const hex = toHex(chunk.bytes).replaceAll(/(..)(?!$)/g, '$1 ');
    const label = index === 0 ? labelOf(field) : ' '.repeat(field.name.length);
    return `${hex.padEnd(BYTES_PER_LINE * 3)} ${label} ${chunk.text}`.trimEnd();
  });
}

function labelOf({ name, value, meaning }: Field): string {
  if (value === undefined || name === 'magic') return name;
  if (name === 'flags') return meaning === '' ? 'flags' : `flags ${meaning}`;
  return meaning === undefined ? `${name} ${value}` : `${name} ${value} (${meaning})`;
}

/** A code point stays in one piece; what is no text has none beside it. */
function textChunks(part: Uint8Array): { bytes: Uint8Array; text: string }[] {
  const whole = Buffer.from(part).toString();
  const isText = Buffer.from(whole).equals(part) && !/\p{Cc}/u.test(whole);
  const chunks: { bytes: Uint8Array; text: string }[] = [];
  let start = 0;
  while (start < part.length) {
    let end = Math.min(start + BYTES_PER_LINE, part.length);
    while (isText && end < part.length && (part[end]! & 0xc0) === 0x80) end--;
    const bytes = part.subarray(start, end);
    chunks.push({ bytes, text: isText ? Buffer.from(bytes).toString() : '' });
    start = end;
  }
  return chunks;
}
