/** Applies a fault to a world, and undoes it when its time is over. */
import type { Fault } from './faults.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

/** Returns false if it is too late for the fault, or no process is left. */
export function applyFault(world: World, fault: Fault): boolean {
  if (world.isHealed) return false;
  const node = targetOf(world, fault);
  if (node === undefined) return false;
  begin(world, fault, node);
  world.noteHindrances();
  return true;
}

function begin(world: World, fault: Fault, node: SimulatedNode): void {
  const { durationMs, salt, kind } = fault;
  const { clock, store } = world;
  world.oracle.trace(`fault ${kind} ${node.processId} ${durationMs}`);
  const { disturbances } = node;
  const later = (undo: () => void, delayMs = durationMs): void => {
    clock.timer(() => {
      if (world.isHealed) return;
      undo();
      world.noteHindrances();
    }, delayMs);
  };
  const set = (change: Partial<typeof disturbances>, back: Partial<typeof disturbances>): void => {
    Object.assign(disturbances, change);
    later(() => Object.assign(disturbances, back));
  };
  switch (kind) {
    case 'crash':
      node.kill();
      later(() => world.startNode(node.id));
      return;
    case 'restart':
      node.kill();
      later(() => world.startNode(node.id, { isExclusive: true }));
      return;
    case 'usurp':
      node.clock.pause();
      world.startNode(node.id, { isTwin: true, isExclusive: true });
      later(() => node.clock.resume());
      return;
    case 'pause':
      node.clock.pause();
      later(() => node.clock.resume());
      return;
    case 'stall':
      stall(world, node, world.nowMs + durationMs);
      return;
    case 'suspend':
      node.clock.suspend();
      later(() => node.clock.resume());
      return;
    case 'cut':
      world.cut(node.processId);
      later(() => restore(world, node));
      return;
    case 'black-hole':
      set({ isBlackHole: true }, { isBlackHole: false });
      return;
    case 'data-cut':
      set(directionsOf(salt), { cutsInbound: false, cutsOutbound: false });
      return;
    case 'flap': {
      const healedMs = 5 + (salt % 316);
      set({ losesAnswers: 1 }, { losesAnswers: 0, losesWrites: 0.5 });
      later(() => world.cut(node.processId), durationMs + healedMs);
      later(
        () => {
          disturbances.losesWrites = 0;
          restore(world, node);
        },
        durationMs + healedMs + 500 + (salt % 6_000),
      );
      return;
    }
    case 'outage':
      outage(world, fault, later);
      return;
    case 'lossy-answers':
      set({ losesAnswers: 0.3 }, { losesAnswers: 0 });
      return;
    case 'slow-store':
      set({ storeDelayMs: 50 + (salt % 400) }, { storeDelayMs: 0 });
      return;
    case 'late-writes':
      set({ lateWrites: 0.3 }, { lateWrites: 0 });
      return;
    case 'deaf':
      set({ deafMs: 1_000 + (salt % 5_000) }, { deafMs: 0 });
      return;
    case 'broken-watches':
      set({ breaksWatches: true }, { breaksWatches: false });
      return;
    case 'packet-loss':
      set({ packetLoss: 0.3 }, { packetLoss: 0 });
      return;
    case 'slow-handlers':
      world.isSlow = true;
      later(() => (world.isSlow = false));
      return;
    case 'leave':
      void node.node.drain({ graceMs: world.timing.drainMs });
      later(() => world.startNode(node.id), durationMs + 8_000);
      return;
    case 'join':
      world.startNode(`j${salt % 3}`);
      return;
    case 'twin': {
      const twin = world.startNode(node.id, { isTwin: true })!;
      if (salt % 2 === 0) later(() => twin.kill());
      return;
    }
    case 'purge-marks':
      purge(world, node.id);
      return;
    case 'delete-bucket':
      store.deleteBucket();
  }
}

/** Ends all faults, however much time they had left. */
export function heal(world: World): void {
  world.isHealed = true;
  world.isSlow = false;
  for (const node of world.processes) {
    node.disturbances.clear();
    node.clock.resume();
    restore(world, node);
  }
  world.noteHindrances();
}

/** The process that the fault targets; undefined if none is left. */
export function targetOf({ processes }: World, { node }: Fault): SimulatedNode | undefined {
  const there = processes.filter((process) => !process.hasEnded);
  return there[node % there.length];
}

function restore(world: World, node: SimulatedNode): void {
  if (node.clock.state !== 'dead') world.restore(node.processId);
}

/** Keeps a process busy for 50 to 250 ms and free for as long, again and again. */
function stall(world: World, node: SimulatedNode, untilMs: number): void {
  node.clock.pause();
  node.noteHindrance(world.nowMs);
  world.clock.timer(
    () => {
      node.clock.resume();
      node.noteHindrance(world.nowMs);
      if (world.isHealed || world.nowMs >= untilMs) return;
      world.clock.timer(
        () => {
          if (!world.isHealed) stall(world, node, untilMs);
        },
        50 + world.network.next() * 200,
      );
    },
    50 + world.network.next() * 200,
  );
}

/** How long after the first the last node has its connection back. */
export const OUTAGE_STAGGER_MS = 1_500;

function outage(world: World, { salt }: Fault, later: (undo: () => void, delayMs?: number) => void): void {
  for (const node of world.processes) {
    if (salt % 2 === 0) {
      world.cut(node.processId);
      later(() => later(() => restore(world, node), world.network.next() * OUTAGE_STAGGER_MS));
    } else {
      node.disturbances.losesAnswers = 1;
      later(() => (node.disturbances.losesAnswers = 0));
    }
  }
}

/** Deletes a node's own records, as an operator might. */
function purge({ store }: World, nodeId: string): void {
  const operator = store.connect({ member: 'operator' });
  for (const key of [`h.${nodeId}`, `m.${nodeId}`]) {
    const remove = async (): Promise<void> => {
      const entry = await operator.read(key, 1_000);
      if (entry?.value !== undefined) await operator.cas(key, entry.revision, undefined, 1_000);
    };
    void remove();
  }
}

/** The directions that a data cut with this salt blocks: messages to the node, messages from it, or both. */
export function directionsOf(salt: number): {
  readonly cutsInbound: boolean;
  readonly cutsOutbound: boolean;
} {
  return { cutsInbound: salt % 3 !== 0, cutsOutbound: salt % 3 !== 1 };
}
