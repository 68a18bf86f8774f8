/** A process of service.mjs, as its parent sees it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { deferred } from '@clstr/testing';

export type Fault = 'panic' | 'failTask' | 'overload' | 'queue' | 'block' | 'loseReply';

export interface Service {
  /** Where its metrics are. */
  readonly address: string;
  make(fault: Fault): void;
  kill(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** Resolves when its metrics have been read `count` more times. */
  scraped(count: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startService(servers: string, cluster: string, nodeId: string): Promise<Service> {
  const child = fork(join(import.meta.dirname, 'service.mjs'), [servers, cluster, nodeId], {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const address = deferred<string>();
  let onScraped = (): void => undefined;
  child.on('message', (message: string) => {
    if (message === 'scraped') onScraped();
    else address.resolve(message);
  });
  child.once('exit', (code) => address.reject(new Error(`the service ended with ${code}`)));
  return {
    address: await address.promise,
    make: (fault) => void child.send(fault),
    kill: (signal) => void child.kill(signal),
    scraped: (count) =>
      new Promise((resolve) => {
        let left = count;
        onScraped = () => {
          if (--left <= 0) resolve();
        };
      }),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}
