/** A connection of the NATS client whose life a test decides: for moments that no real server hits on purpose. */
import { deferred } from '@clstr/testing';
import type { Msg, NatsConnection, NatsError, Status, Events } from 'nats';

export interface Published {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string | undefined;
}

export interface ScriptedConnection {
  readonly nats: NatsConnection;
  readonly published: Published[];
  readonly subscriptions: Map<string, (error: NatsError | null, message: Msg) => void>;
  /** What `publish` throws from now on. */
  publishError: Error | undefined;
  /** What `flush` does: undefined answers at once. */
  flush: (() => Promise<void>) | undefined;
  become(type: Events.Disconnect | Events.Reconnect): void;
  status(status: Partial<Status>): void;
  /** The connection ends, whoever ended it. */
  end(): void;
}

export function scriptedConnection(): ScriptedConnection {
  const statuses: Status[] = [];
  let wake = deferred();
  let isStopped = false;
  let isClosed = false;
  const closed = deferred<undefined>();
  const stop = (): void => {
    isStopped = true;
    wake.resolve();
  };
  async function* iterate(): AsyncGenerator<Status> {
    for (;;) {
      while (statuses.length > 0) yield statuses.shift()!;
      if (isStopped) return;
      await wake.promise;
      wake = deferred();
    }
  }
  const scripted: ScriptedConnection = {
    published: [],
    subscriptions: new Map(),
    publishError: undefined,
    flush: undefined,
    become: (type) => {
      scripted.status({ type, data: 'server' });
    },
    status: (status) => {
      statuses.push(status as Status);
      wake.resolve();
    },
    end: () => {
      isClosed = true;
      closed.resolve(undefined);
    },
    nats: {
      info: undefined,
      publish: (subject: string, data: Uint8Array, options?: { reply?: string }) => {
        if (scripted.publishError !== undefined) throw scripted.publishError;
        scripted.published.push({ subject, data, reply: options?.reply });
      },
      subscribe: (
        subject: string,
        { callback }: { callback: (error: NatsError | null, message: Msg) => void },
      ) => {
        scripted.subscriptions.set(subject, callback);
        return { unsubscribe: () => scripted.subscriptions.delete(subject), drain: async () => undefined };
      },
      flush: () => (scripted.flush ?? (() => Promise.resolve()))(),
      status: () => Object.assign(iterate(), { stop }),
      closed: () => closed.promise,
      isClosed: () => isClosed,
      getServer: () => 'nats://user:secret@host:4222',
      close: async () => {
        scripted.end();
      },
    } as unknown as NatsConnection,
  };
  return scripted;
}
