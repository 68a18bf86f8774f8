/** Reads what a TypeScript file imports, in every form the language has, types included. */
import ts from 'typescript';

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** Parses rather than searches: an import inside a comment or a string is none. */
export function importsOf(path: string, text: string): Import[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    const literal = moduleOf(node);
    if (literal !== undefined && ts.isStringLiteralLike(literal)) {
      const { line } = file.getLineAndCharacterOfPosition(literal.getStart());
      found.push({ specifier: literal.text, line: line + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function moduleOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isExternalModuleReference(node)) return node.expression; // import x = require('y')
  if (ts.isImportTypeNode(node))
    return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
  if (ts.isCallExpression(node)) return isLoader(node.expression) ? node.arguments[0] : undefined;
  return undefined;
}

/** `import(…)`, `require(…)`, `x.require.resolve(…)`, `import.meta.resolve(…)`. */
function isLoader(callee: ts.Expression): boolean {
  if (callee.kind === ts.SyntaxKind.ImportKeyword) return true;
  return /^(require|require\.resolve|import\.meta\.resolve)$/.test(callee.getText());
}
