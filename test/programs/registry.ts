/** An npm registry on this machine: it has the packages of this repository as packed, and redirects for all others. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';

interface Packed {
  readonly name: string;
  readonly version: string;
  readonly filename: string;
  readonly integrity: string;
}

export interface Registry {
  readonly url: string;
  close(): void;
}

/** Packs what is built. @param folder gets the tarballs */
export async function startRegistry(root: string, folder: string): Promise<Registry> {
  const upstream = execFileSync('npm', ['config', 'get', 'registry'], { cwd: root, encoding: 'utf8' }).trim();
  const packed = pack(root, folder);
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '').slice(1);
    const own = packed.find(({ name }) => name === path);
    const tarball = packed.find(({ filename }) => filename === path);
    if (tarball !== undefined) createReadStream(join(folder, path)).pipe(response);
    else if (own === undefined)
      response.writeHead(302, { location: new URL(request.url!.slice(1), upstream).href }).end();
    else response.end(JSON.stringify(documentOf(own, root, url)));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url, close };
}

function pack(root: string, folder: string): Packed[] {
  const workspaces = readdirSync(join(root, 'packages')).flatMap((name) => [
    '--workspace',
    `packages/${name}`,
  ]);
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder, ...workspaces];
  const json = execFileSync('npm', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(json) as Packed[];
}

/** What a registry answers for the name of a package. */
function documentOf({ name, version, filename, integrity }: Packed, root: string, url: string): object {
  const manifest = readFileSync(join(root, 'packages', basename(name), 'package.json'), 'utf8');
  const dist = { tarball: `${url}/${filename}`, integrity };
  return {
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { ...(JSON.parse(manifest) as object), dist } },
  };
}
