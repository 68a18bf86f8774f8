/**
 * The parent's handle of one node process: it starts, stops and kills the process, and verifies that signals worked.
 */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ErrorCode } from '@clstr/core';
import type { NodeOrder, NodeReport } from './node-reports.ts';
import { nowMs } from './now.ts';

export interface NodeChild {
  readonly id: string;
  readonly pid: number;
  /** Rejects with a {@link NodeFailure}. */
  readonly ready: Promise<void>;
  /** Resolves once the process is gone and all its reports have been received. */
  readonly exited: Promise<NodeExit>;
  /** The letter of its state in /proc while it runs; `T` means stopped. */
  processState(): string;
  signal(name: NodeJS.Signals): void;
}

export interface NodeExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly at: number;
}

/** The reason why a node process did not become a member. */
export class NodeFailure extends Error {
  readonly code: ErrorCode | undefined;
  readonly details: unknown;

  constructor(message: string, code?: ErrorCode, details?: unknown) {
    super(message);
    this.name = 'NodeFailure';
    this.code = code;
    this.details = details;
  }
}

/** This path works both from source and from the build; a process runs the build. */
const PROGRAM = fileURLToPath(new URL('../dist/node-process.js', import.meta.url));

export function forkNode(order: NodeOrder, onReport: (report: NodeReport) => void): NodeChild {
  const child = fork(PROGRAM, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [], // --inspect and the like are meant for the parent
  });
  const { pid = 0 } = child;
  // A stopped process would otherwise outlive a parent that dies.
  const reap = (): void => void child.kill('SIGKILL');
  process.once('exit', reap);
  let failure: NodeFailure | undefined;
  const exited = new Promise<NodeExit>((resolve) => {
    let at = 0;
    let end = { code: null as number | null, signal: null as NodeJS.Signals | null };
    child.once('exit', (code, signal) => {
      at = nowMs();
      end = { code, signal };
    });
    child.once('error', (error) => {
      failure ??= new NodeFailure(error.message);
      resolve({ ...end, at: nowMs() });
    });
    // 'close' fires after the last message, 'exit' may fire before it.
    child.once('close', () => {
      process.off('exit', reap);
      resolve({ ...end, at });
    });
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (report: NodeReport) => {
      if (report.kind === 'ready') resolve();
      else if (report.kind === 'failed') {
        failure = new NodeFailure(report.message, report.code, report.details);
      }
      onReport(report);
    });
    void exited.then(({ code, signal }) => {
      reject(failure ?? new NodeFailure(`${order.id} ended with ${signal ?? code} before it was ready`));
    });
  });
  ready.catch(() => undefined);
  child.send(order, (error) => {
    if (error !== null) child.kill('SIGKILL');
  });
  return {
    id: order.id,
    pid,
    ready,
    exited,
    processState: () => stateOf(pid),
    signal: (name) => void child.kill(name),
  };
}

/** Reads the third field of /proc/PID/stat; the second, a name in parentheses, may contain anything. */
function stateOf(pid: number): string {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.charAt(text.lastIndexOf(')') + 2);
}
