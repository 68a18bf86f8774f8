/** The code blocks of a page, each with the section that it stands in and the file that its reader saves it as. */
import { codeBlocksOf } from '../docs/markdown.ts';
import type { CodeBlock } from '../docs/markdown.ts';

export interface PageBlock extends CodeBlock {
  /** The nearest heading above. */
  readonly title: string;
  /** Of a program: the name in its first line, such as `// service.ts`. */
  readonly file: string | undefined;
}

export function blocksOf(markdown: string): PageBlock[] {
  const lines = markdown.split('\n');
  return codeBlocksOf(markdown).map((block) => {
    const heading = lines.slice(0, block.line).findLast((line) => /^#+ /.test(line));
    return { ...block, title: heading?.replace(/^#+ /, '') ?? '', file: fileNamedIn(block.text) };
  });
}

/** The lines of a block of shell commands. */
export function commandsOf({ text }: Pick<CodeBlock, 'text'>): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}

export function fileNamedIn(text: string): string | undefined {
  return /^\/\/ ([\w.-]+\.m?ts)\b/.exec(text)?.[1];
}
