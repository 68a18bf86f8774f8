/** Holds the dashboard against the types that Grafana publishes: a property that it does not know has no effect there. */
import { compileProblems, fileName } from './code-blocks.ts';

/** One sentence per error, each starting with `path:line`. */
export function dashboardProblems(path: string, json: string): string[] {
  const head =
    "import type { GrafanaDashboard } from './grafana-schema.ts'; export const it: GrafanaDashboard = ";
  const text = `${head}${json.trimEnd()};\n`;
  return compileProblems(new Map([[fileName('test/docs/dashboard.md', 1, text), { path, line: 1, text }]]));
}
