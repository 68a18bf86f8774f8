/** Joins a kind of durable state to actors: loading a key before its first message, and storing what turns change. */
import { actorName, coreOf } from '@clstr/actors/internal';
import type { ActorCore, Durability, MessageContext } from '@clstr/actors/internal';
import { DurableActor } from './durable-actor.ts';
import { unreadable } from './errors.ts';
import type { ModelKind } from './model.ts';
import { StateLog } from './state-log.ts';
import { Writers } from './writers.ts';

export function durability<State, Kit>(kind: ModelKind): Durability<State, Kit> {
  return Object.freeze<Durability<State, Kit>>({
    kind: 'durability',
    setup: (context) => activate(kind, coreOf(context)),
    turn: (isReadonly, call) => (actor, input, context) =>
      (actor as DurableActor).turn(isReadonly, call, input, context as unknown as MessageContext),
    stateOf: (actor) => (actor as DurableActor).state,
  });
}

async function activate({ keeps, snapshotEvery, create }: ModelKind, core: ActorCore): Promise<DurableActor> {
  const { home, key, shard, lease } = core;
  const { store, clock } = home.host;
  const name = actorName(home.actor.name, key);
  const place = { space: home.actor.name, keeps, shard, key };
  const log = new StateLog({ store: store!, place, lease, writers: Writers.ofHost(home.host), clock, name });
  const records = await log.load();
  const actor = new DurableActor({ core, name, model: create(key), log, keeps, snapshotEvery });
  try {
    actor.restore(records);
  } catch (error) {
    throw unreadable(name, log.revision, error);
  }
  return actor;
}
