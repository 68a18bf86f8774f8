/** The tutorial as its reader follows it: all files, and all commands in one terminal. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { beforeAll, expect, test } from 'vitest';
import { blocksOf, commandsOf } from './blocks.ts';
import { BUILD_TIMEOUT_MS } from './program.ts';
import { ROOT, SERVER, buildPackages } from './readme.ts';
import { Terminal, plainEnvironment } from './terminal.ts';

const PAGE = join(ROOT, 'docs/tutorial.md');
/** The packages are those of this repository, and the server has a port of its own. */
const LEFT_OUT = /^(npm install|nats-server)\b/;
const PRINTED = [
  { command: /^npx vitest/, output: /1 passed/ },
  { command: /^wait \$!/, output: /^all were answered, the slowest after \d+ ms$/m },
  { command: /healthz$/, output: /"state":\s*"serving"/ },
];

beforeAll(buildPackages, BUILD_TIMEOUT_MS);

test.skipIf(!hasNatsServer())('the tutorial runs as printed', { timeout: 180_000 }, async () => {
  // Outside of the repository, whose settings a reader has not.
  const folder = mkdtempSync(join(tmpdir(), 'clstr-tutorial-'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  await using server = await startNatsServer({ args: ['-js'] });
  const ports = await freePorts(3);
  const translate = (command: string): string =>
    ports.reduce((text, port, index) => text.replace(`${8_081 + index}`, `${port}`), command);
  const terminal = new Terminal({ cwd: folder, env: plainEnvironment(), timeoutMs: 60_000 });
  const seen: RegExp[] = [];
  try {
    for (const { info, file, text, line } of blocksOf(readFileSync(PAGE, 'utf8'))) {
      if (info === 'ts') {
        writeFileSync(join(await terminal.folder(), file!), text.replaceAll(SERVER, server.url));
      }
      for (const command of info === 'sh' ? commandsOf({ text }) : []) {
        if (LEFT_OUT.test(command)) continue;
        const { code, output } = await terminal.run(translate(command));
        expect(code, `line ${line}: ${command}\n${output}`).toBe(0);
        const printed = PRINTED.find((each) => each.command.test(command));
        if (printed === undefined) continue;
        expect(output).toMatch(printed.output);
        seen.push(printed.command);
      }
    }
  } finally {
    terminal.close();
    rmSync(folder, { recursive: true, force: true });
  }
  expect(new Set(seen)).toEqual(new Set(PRINTED.map(({ command }) => command)));
});

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
