/** Reads what the checks need of a Markdown file: code blocks, tables, headings and links. */

export interface CodeBlock {
  /** What stands behind the opening fence, such as `ts` or `hex request`. */
  readonly info: string;
  readonly text: string;
  /** Of the first line of `text`, from 1. */
  readonly line: number;
}

export interface Table {
  /** The nearest heading above. */
  readonly heading: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

/** A line outside of code blocks. */
interface Line {
  readonly text: string;
  readonly line: number;
}

export function codeBlocksOf(markdown: string): CodeBlock[] {
  return split(markdown).blocks;
}

export function tablesOf(markdown: string): Table[] {
  const tables: { heading: string; columns: string[]; rows: string[][] }[] = [];
  let heading = '';
  let isInTable = false;
  for (const { text } of split(markdown).prose) {
    heading = headingIn(text) ?? heading;
    if (!text.trimStart().startsWith('|')) isInTable = false;
    else if (!isInTable) {
      tables.push({ heading, columns: cellsOf(text), rows: [] });
      isInTable = true;
    } else if (!/^[\s|:-]+$/.test(text)) tables.at(-1)!.rows.push(cellsOf(text));
  }
  return tables;
}

/** The names that `#…` of a link can mean, made as GitHub makes them. */
export function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set([...markdown.matchAll(/<a id="([^"]+)">/g)].map((match) => match[1]!));
  for (const { text } of split(markdown).prose) {
    const heading = headingIn(text);
    if (heading === undefined) continue;
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let i = 1; anchors.has(anchor); i++) anchor = `${slug}-${i}`;
    anchors.add(anchor);
  }
  return anchors;
}

export function linksOf(markdown: string): Link[] {
  return split(markdown).prose.flatMap(({ text, line }) => {
    const plain = text.replaceAll(/(`+)(?!`).*?(?<!`)\1(?!`)/g, '');
    return LINKS.flatMap((form) => [...plain.matchAll(form)]).map((match) => ({ target: match[1]!, line }));
  });
}

/** `](target "title")`, `](<target>)`, `[name]: target`, and HTML. */
const LINKS = [
  /\]\(\s*([^\s)<]+)[^)]*\)/g,
  /\]\(\s*<([^>]*)>[^)]*\)/g,
  /^\s*\[[^\]]+\]:\s*<?([^\s>]+)/g,
  /\b(?:href|src)="([^"]*)"/g,
];

function split(markdown: string): { prose: Line[]; blocks: CodeBlock[] } {
  const prose: Line[] = [];
  const blocks: CodeBlock[] = [];
  let open: { fence: string; info: string; line: number; lines: string[] } | undefined;
  for (const [index, text] of markdown.split('\n').entries()) {
    const [, fence = '', info = ''] = /^\s*(`{3,}|~{3,})\s*(.*)$/.exec(text) ?? [];
    if (open === undefined) {
      if (fence === '') prose.push({ text, line: index + 1 });
      else open = { fence, info: info.trim(), line: index + 2, lines: [] };
    } else if (fence.startsWith(open.fence) && info === '') {
      blocks.push({ info: open.info, text: open.lines.join('\n'), line: open.line });
      open = undefined;
    } else open.lines.push(text);
  }
  if (open !== undefined) blocks.push({ info: open.info, text: open.lines.join('\n'), line: open.line });
  return { prose, blocks };
}

function headingIn(text: string): string | undefined {
  return /^#{1,6}\s+(.*?)\s*#*$/.exec(text)?.[1];
}

function cellsOf(row: string): string[] {
  const cells = row.trim().split(/(?<!\\)\|/);
  return cells.slice(1, -1).map((cell) => cell.trim());
}
