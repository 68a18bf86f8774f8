/** The processes of the shop: each is forked, and is ready when it says where it answers. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Running {
  readonly url: string;
  /** Resolves when the process has ended. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** @param folder gets the databases, and one log per process. */
export async function startProcess(nodeId: string, natsUrl: string, folder: string): Promise<Running> {
  const [service] = nodeId.split('-');
  const program = nodeId === 'gateway' ? 'gateway-process.js' : 'service-process.js';
  const log = openSync(join(folder, `${nodeId}.log`), 'a');
  const child = fork(fileURLToPath(new URL(`../${program}`, import.meta.url)), [service!], {
    stdio: ['ignore', log, log, 'ipc'],
    env: { ...process.env, NODE_ID: nodeId, NATS_URL: natsUrl, DATA_DIR: folder, PORT: '0' },
  });
  closeSync(log);
  const exited = once(child, 'exit');
  const url = await Promise.race([once(child, 'message').then(([message]) => message as string), exited]);
  if (typeof url !== 'string') throw new Error(`${nodeId} did not start: see ${nodeId}.log`);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  return { url, end };
}
