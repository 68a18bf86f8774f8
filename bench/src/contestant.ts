/** A contender that runs: its node processes and its client process, alive and warm between the rounds of one start. */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { endOf } from './child-end.ts';
import type { Contender, Site } from './contender.ts';
import type { Load, Measurement } from './load.ts';
import type { Order, Report } from './side-process.ts';

export interface Contestant {
  contender: Contender;
  /** @throws Error when a request failed, or a reply was wrong or missing. */
  measure: (load: Load) => Promise<Measurement>;
  close: () => Promise<void>;
}

const ANSWERS_WITHIN_MS = 20_000;

export async function startContestant(contender: Contender, site: Site): Promise<Contestant> {
  const children: SideChild[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(children.splice(0).map((child) => child.close()));
  };
  const start = async (role: 'node' | 'client', process = 0): Promise<SideChild> => {
    const child = forkSide(role, process, contender, site);
    children.push(child);
    await child.next('ready', ANSWERS_WITHIN_MS);
    return child;
  };

  try {
    const { startNode, nodeProcesses = 1 } = contender;
    if (startNode !== undefined)
      await Promise.all(Array.from({ length: nodeProcesses }, (_, i) => start('node', i)));
    const client = await start('client');
    return {
      contender,
      close,
      measure: async (load) => {
        client.send({ kind: 'measure', load });
        return (await client.next('measured', load.seconds * 1_000 + ANSWERS_WITHIN_MS)).measurement;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface SideChild {
  send: (order: Order) => void;
  next: <K extends Report['kind']>(kind: K, withinMs: number) => Promise<Extract<Report, { kind: K }>>;
  close: () => Promise<void>;
}

function forkSide(role: 'node' | 'client', process: number, contender: Contender, site: Site): SideChild {
  const program = fileURLToPath(new URL('./side-process.js', import.meta.url));
  const child = fork(program, [role, contender.name, JSON.stringify(site), String(process)]);
  const who = `${contender.name}, ${role} process`;

  return {
    send: (order) => child.send(order),
    next: (kind, withinMs) => nextReport(child, who, kind, withinMs),
    close: async () => {
      if (child.connected) child.send({ kind: 'close' } satisfies Order);
      await endOf(child);
    },
  };
}

function nextReport<K extends Report['kind']>(
  child: ChildProcess,
  who: string,
  kind: K,
  withinMs: number,
): Promise<Extract<Report, { kind: K }>> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timeout);
      child.off('message', onReport).off('exit', onExit);
    };
    const fail = (reason: string): void => {
      done();
      reject(new Error(`${who}: ${reason}`));
    };
    const onReport = (report: Report): void => {
      if (report.kind === kind) {
        done();
        resolve(report as Extract<Report, { kind: K }>);
      } else {
        fail(report.kind === 'failed' ? report.reason : `'${report.kind}' instead of '${kind}'`);
      }
    };
    const onExit = (code: number | null): void => fail(`ended with ${code}`);
    const timeout = setTimeout(() => fail(`no '${kind}' within ${withinMs} ms`), withinMs);
    child.on('message', onReport).on('exit', onExit);
  });
}
