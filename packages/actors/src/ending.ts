/** The end of an actor's state: `passivate` saves it or `discard` drops it, each within a time limit. */
import type { ActorCore } from './actor-core.ts';
import { actorName } from './actor-name.ts';
import { EndContext } from './contexts.ts';
import type { Actor, DiscardReason, PassivateReason } from './implementation.ts';
import { behind } from './blocker.ts';

/** Whether the state may go: false when `passivate` was rejected or took too long. Never rejects. */
export async function passivated(
  self: ActorCore,
  passivate: NonNullable<Actor['passivate']>,
  state: unknown,
  reason: PassivateReason,
): Promise<boolean> {
  const context = new EndContext(self, reason);
  const { tasks } = self.home.host;
  const beganMs = tasks.began();
  try {
    await context.within(() => passivate(state, context));
    tasks.succeeded(beganMs);
    return true;
  } catch (err) {
    tasks.failed(beganMs, err);
    report(self, err, 'passivate', reason);
    // If two runs of `passivate` saved at the same time, the older state could win.
    if (context.unfinished !== undefined) self.waitUntil(context.unfinished);
    return false;
  }
}

/** Never rejects. */
export async function discarded(self: ActorCore, state: unknown, reason: DiscardReason): Promise<void> {
  const { actor, host } = self.home;
  const { discard } = actor;
  if (discard === undefined) return;
  const context = new EndContext(self, reason);
  const beganMs = host.tasks.began();
  try {
    await context.within(() => discard(state, context));
    host.tasks.succeeded(beganMs);
  } catch (err) {
    host.tasks.failed(beganMs, err);
    report(self, err, 'discard', reason);
  }
}

/** The actor has to leave, and a turn of it does not end. */
export function reportBusy({ home, key, blocker }: ActorCore): void {
  const { floodLog, clock } = home.host;
  floodLog.error(
    'actor.not_idle',
    { actor: home.actor.name, key },
    `${actorName(home.actor.name, key)} did not become idle in time${behind(blocker, clock)}`,
  );
}

function report({ home, key }: ActorCore, err: unknown, what: 'passivate' | 'discard', reason: string): void {
  const { host, actor } = home;
  host.floodLog.error(
    what === 'passivate' ? 'actor.passivate_failed' : 'actor.discard_failed',
    { err, actor: actor.name, key, reason },
    `${what} of ${actorName(actor.name, key)} (${reason}) failed`,
  );
}
