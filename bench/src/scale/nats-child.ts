/** A node in a process of its own, as its parent sees it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { NodeEvent } from '@clstr/core';
import type { NatsNodeOrder, NatsNodeReport, NatsNodeSite } from './nats-node.ts';

export interface NatsChild {
  onEvent(listener: (event: NodeEvent) => void): void;
  /** Resolves when the node is a member. @throws Error when it ends earlier. */
  ready(): Promise<void>;
  /** Processor time so far, in milliseconds; the final value once the node has left. */
  cpuMs(): Promise<number>;
  /** Hands its shards over, and ends. Idempotent. */
  leave(): Promise<void>;
}

export function forkNode(site: NatsNodeSite): NatsChild {
  const program = fileURLToPath(new URL('./nats-node.js', import.meta.url));
  const child = fork(program, [JSON.stringify(site)]);
  const listeners: ((event: NodeEvent) => void)[] = [];
  let cpuMs = 0;
  const onReady = new Promise<void>((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`${site.id} ended with ${code} before it was a member`)));
    child.on('message', (report: NatsNodeReport) => {
      if (report.kind === 'ready') resolve();
      else if (report.kind === 'cpu') cpuMs = report.cpuMs;
      else for (const listener of listeners) listener(report.event);
    });
  });
  onReady.catch(() => undefined); // callers of ready() get it
  const order = (what: NatsNodeOrder): void => void child.send(what);

  return {
    onEvent: (listener) => void listeners.push(listener),
    ready: () => onReady,
    async cpuMs() {
      if (!child.connected) return cpuMs;
      const answered = new Promise<void>((resolve) => {
        const onReport = ({ kind }: NatsNodeReport): void => {
          if (kind !== 'cpu') return;
          child.off('message', onReport);
          resolve();
        };
        child.on('message', onReport);
      });
      order('cpu');
      await answered;
      return cpuMs;
    },
    async leave() {
      if (!child.connected) return;
      const exited = once(child, 'exit');
      order('leave');
      await exited;
    },
  };
}
