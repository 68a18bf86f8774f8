/** A browser that calls actors loads their contracts, and with them nothing that only a node needs. */
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';

/** The contract, its references, and the errors with their JSON and their escaping: 10,895 bytes, 3 kB of them after gzip. */
const MAX_BYTES = 11_000;

const CONTRACT = `
import { defineActor, notify, request } from '@clstr/actors';

export const Counter = defineActor('counter', {
  add: request<{ by: number }, number>(),
  get: request<void, number>({ readonly: true }),
  reset: notify<{ reason: string }>(),
});
`;

describe('a bundle of a contract file', () => {
  let text: string;
  let inputs: string[];

  beforeAll(async () => {
    const { outputFiles, metafile } = await build({
      stdin: { contents: CONTRACT, loader: 'ts', resolveDir: import.meta.dirname },
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      conditions: ['@clstr/source'],
      metafile: true,
      write: false,
    });
    text = outputFiles[0]!.text;
    const [output] = Object.values(metafile.outputs);
    inputs = Object.entries(output!.inputs)
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .map(([path]) => path);
    console.log(`${text.length} bytes of ${inputs.length} files`);
  });

  test(`takes at most ${MAX_BYTES} bytes, minified`, () => {
    expect(text.length).toBeLessThanOrEqual(MAX_BYTES);
    expect(text).toContain('counter');
  });

  test('holds no lru-cache and no code of the host', () => {
    const server =
      /lru-cache|actor-host|activation|mailbox|actor-type|contexts|scope-cache|noble|node\.ts|dispatch/;
    expect(inputs.filter((path) => server.test(path))).toEqual([]);
    expect(text).not.toMatch(/passivate of|LRUCache|OVERLOADED: all/);
  });

  test('works where there is no Node', async () => {
    const module = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as {
      Counter: { ref(caller: object, key: string): { add(input: object): unknown } };
    };
    const calls: unknown[] = [];
    module.Counter.ref({ requestKey: (...args: unknown[]) => calls.push(args) }, 'k').add({ by: 2 });
    expect(calls).toEqual([['k', 'counter.add', { by: 2 }, undefined]]);
  });
});
