/** The command line: one folder, or a refusal of one line. */
import { parseArgs } from 'node:util';
import { createProject } from './project.ts';

const HELP = `Creates a clstr project: a service, a gateway and a test.

Usage: npm create clstr FOLDER

FOLDER is new or empty, and names the project: lower-case letters, digits and hyphens.`;

interface Answer {
  readonly text: string;
  readonly isError: boolean;
}

/** Does what the arguments ask for, and returns what to print. */
export function answerTo(args: string[]): Answer {
  try {
    return { text: obey(args), isError: false };
  } catch (error) {
    const [line = ''] = (error as Error).message.split('\n');
    return { text: `create-clstr: ${line}`, isError: true };
  }
}

function obey(args: string[]): string {
  const options = { help: { type: 'boolean', short: 'h' } } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  if (values.help === true) return HELP;
  const [folder, ...others] = positionals;
  if (folder === undefined || others.length > 0)
    throw new Error('name one folder: npm create clstr my-service');
  createProject(folder);
  return `created ${folder}; next: cd ${folder} && npm install && npm test`;
}
