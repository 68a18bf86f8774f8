/** The programs of a page, such as a README, as files that Node runs. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocksOf } from './blocks.ts';
import { build } from './program.ts';

export const ROOT = join(import.meta.dirname, '../..');
/** Below the root's `node_modules`, so that the packages are found. */
const FOLDER = join(ROOT, 'node_modules/.cache/clstr-readme');
/** Where programs of pages expect their server. */
export const SERVER = 'nats://127.0.0.1:4222';

export function buildPackages(): void {
  for (const name of ['app', 'durable', 'jetstream', 'prometheus', 'transport-memory', 'transport-nats'])
    build(join(ROOT, 'packages', name));
}

export interface ReadmeProgram {
  /** Of the section it stands in. */
  readonly title: string;
  readonly text: string;
  /** Writes it, with changes; gives the path. */
  write(name?: string, change?: (text: string) => string): string;
}

/** What each program of README.md prints. */
export const PRINTED = [
  { title: 'clstr', stdout: '2\n' },
  { title: 'Actors that remember, on nodes that come and go', stdout: '500\n' },
  { title: 'Services', stdout: '{ free: 2 }\nonly 2\n' },
  { title: 'Raw routing', stdout: 'no node owns this shard nobody listens on clstr.shard.*\n' },
  { title: 'Calls that survive', stdout: '5 after 3 attempts\n' },
  {
    title: 'Watch it',
    stdout: 'clstr_actor_messages_total{message_type="greeter.greet",success="true"} 1\n',
  },
];

/** With their server at `url`. */
export function readmePrograms(url: string, page = 'README.md'): ReadmeProgram[] {
  return blocksOf(readFileSync(join(ROOT, page), 'utf8'))
    .filter(({ info }) => info === 'ts')
    .map(({ title, text, line }) => ({
      title,
      text,
      write: (name = `line-${line}`, change = (same) => same) => {
        mkdirSync(FOLDER, { recursive: true });
        const path = join(FOLDER, `${page.replaceAll('/', '-')}-${name}-${process.pid}.mts`);
        writeFileSync(path, change(text).replaceAll(SERVER, url));
        return path;
      },
    }));
}
