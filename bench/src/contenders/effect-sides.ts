/** The sides of Effect cluster, on an entity per key. */
import * as Effect from 'effect/Effect';
import * as Layer from 'effect/Layer';
import * as Logger from 'effect/Logger';
import * as ManagedRuntime from 'effect/ManagedRuntime';
import * as Option from 'effect/Option';
import * as Schema from 'effect/Schema';
import * as Entity from 'effect/cluster/Entity';
import * as MessageStorage from 'effect/cluster/MessageStorage';
import * as Runner from 'effect/cluster/Runner';
import * as RunnerAddress from 'effect/cluster/RunnerAddress';
import * as RunnerHealth from 'effect/cluster/RunnerHealth';
import * as RunnerStorage from 'effect/cluster/RunnerStorage';
import type { Sharding } from 'effect/cluster/Sharding';
import * as ShardingConfig from 'effect/cluster/ShardingConfig';
import * as SocketRunner from 'effect/cluster/SocketRunner';
import * as TestRunner from 'effect/cluster/TestRunner';
import * as Rpc from 'effect/rpc/Rpc';
import * as RpcSerialization from 'effect/rpc/RpcSerialization';
import { layerClientProtocol, layerSocketServer } from '@effect/platform-node-shared/NodeClusterSocket';
import type { ClientSide, Side, Site } from '../contender.ts';
import type { Payload } from '../payload.ts';
import { answer } from '../payload.ts';

/**
 * Entities and their caller in one process, with the settings Effect has for that. Its schemas do not encode to JSON text,
 * so both ends do that by hand, to do the work of the others; this gives up a schema of the fields.
 */
export async function memoryClient(): Promise<ClientSide> {
  const { entity, layer } = oracleOf(Schema.String, (question) =>
    JSON.stringify(answer(JSON.parse(question) as Payload)),
  );
  const { ask, close } = await clientSide(entity, layer.pipe(Layer.provideMerge(TestRunner.layer)));
  return {
    request: async (key, question) => JSON.parse(await ask(key, JSON.stringify(question))) as Payload,
    close,
  };
}

/** Over the socket, Effect's serialization writes the JSON, and checks the fields. */
const onSocket = oracleOf(
  Schema.Struct({ seq: Schema.Number, key: Schema.String, text: Schema.String }),
  answer,
);

export async function socketNode(site: Site): Promise<Side> {
  const runner = SocketRunner.layer.pipe(
    Layer.provide([layerSocketServer, layerClientProtocol, RunnerHealth.layerNoop]),
    Layer.provide(RunnerStorage.layerMemory),
    Layer.provide(settings(site)),
  );
  const runtime = ManagedRuntime.make(quiet(onSocket.layer.pipe(Layer.provideMerge(runner))));
  await runtime.context();
  return { close: () => runtime.dispose() };
}

export async function socketClient(site: Site): Promise<ClientSide> {
  const runner = SocketRunner.layerClientOnly.pipe(
    Layer.provide(layerClientProtocol),
    Layer.provide(knownRunner(site)),
    Layer.provide(settings(site)),
  );
  const { ask, close } = await clientSide(onSocket.entity, runner);
  return { request: ask, close };
}

/** An entity that answers as `T` says, and counts, so that it has a state. */
function oracleOf<T>(schema: Schema.Codec<T>, answerTo: (question: T) => T) {
  const entity = Entity.make('Oracle', [Rpc.make('ask', { payload: schema, success: schema })]);
  const layer = entity.toLayer(
    Effect.sync(() => {
      const state = { asked: 0 };
      return entity.of({
        ask: ({ payload }) => {
          state.asked += 1;
          return Effect.succeed(answerTo(payload));
        },
      });
    }),
  );
  return { entity, layer };
}

/** The settings that client and runner share: JSON on the wire, nothing stored. */
function settings(site: Site) {
  return Layer.mergeAll(
    ShardingConfig.layer({ runnerAddress: Option.some(addressOf(site)) }),
    RpcSerialization.layerNdjson,
    MessageStorage.layerNoop,
  );
}

/** Processes usually find each other in a database; here there is one runner, and its address is known. */
function knownRunner(site: Site): Layer.Layer<RunnerStorage.RunnerStorage> {
  const runner = Runner.make({ address: addressOf(site), groups: ['default'], weight: 1 });
  return Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.tap(RunnerStorage.makeMemory, (storage) => storage.register(runner, true).pipe(Effect.orDie)),
  );
}

function addressOf({ port }: Site): RunnerAddress.RunnerAddress {
  return RunnerAddress.make('127.0.0.1', port);
}

async function clientSide<T, E>(
  entity: ReturnType<typeof oracleOf<T>>['entity'],
  sharding: Layer.Layer<Sharding, E>,
): Promise<{ ask: (key: string, question: T) => Promise<T>; close: () => Promise<void> }> {
  const runtime = ManagedRuntime.make(quiet(sharding));
  const oracle = await runtime.runPromise(entity.client);
  const run = Effect.runPromiseWith(await runtime.context());
  return { ask: (key, question) => run(oracle(key).ask(question)), close: () => runtime.dispose() };
}

function quiet<A, E>(layer: Layer.Layer<A, E>): Layer.Layer<A, E> {
  return layer.pipe(Layer.provide(Logger.layer([])));
}
