/** Compiles the TypeScript of documents against the packages' source, all blocks in one program. */
import { basename, dirname, join } from 'node:path';
import ts from 'typescript';
import { fileNamedIn } from '../programs/blocks.ts';
import { codeBlocksOf } from './markdown.ts';
import { ROOT } from './repository.ts';

/** One block, as a file of its own beside its document. */
interface BlockFile {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

const EXEMPT = '// @no-compile';

/** One sentence per error, each starting with `path:line` of the document. */
export function codeBlockProblems(documents: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  const blocks = new Map<string, BlockFile>();
  for (const [path, markdown] of documents) {
    for (const { info, text, line } of codeBlocksOf(markdown)) {
      if (!/^(ts|typescript)\b/.test(info)) continue;
      if (!text.trimStart().startsWith(EXEMPT)) blocks.set(fileName(path, line, text), { path, line, text });
      else if (!hasReason(text)) problems.push(`${path}:${line} needs a reason: "${EXEMPT}: why"`);
    }
  }
  return [...problems, ...compileProblems(blocks)];
}

function hasReason(text: string): boolean {
  const [first = ''] = text.trimStart().split('\n');
  return new RegExp(`^${EXEMPT}:\\s*\\S`).test(first);
}

/** By the names of the files that they would be, which need not exist. */
export function compileProblems(blocks: ReadonlyMap<string, BlockFile>): string[] {
  const options = compilerOptions();
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (name) => blocks.has(name) || fileExists(name);
  host.readFile = (name) => blocks.get(name)?.text ?? readFile(name);
  const program = ts.createProgram([...blocks.keys()], options, host);
  return [...blocks].flatMap(([name, block]) => {
    const file = program.getSourceFile(name)!;
    const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    return found.map((diagnostic) => {
      const line = block.line + file.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line;
      return `${block.path}:${line} ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`;
    });
  });
}

/** Those of tsconfig.check.json: everything from source. */
function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.check.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, ROOT);
  const { tsBuildInfoFile: _, ...rest } = options;
  return { ...rest, incremental: false };
}

/** Programs of a page import each other by the names that they give. TypeScript compares paths with `/` on every system. */
export function fileName(path: string, line: number, text: string): string {
  const name = fileNamedIn(text) ?? `${basename(path)}.${line}.ts`;
  return join(ROOT, dirname(path), name).replaceAll('\\', '/');
}
