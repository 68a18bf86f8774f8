/** What a link and a wire are to each other: the link knows attempts and the connection, the wire knows messages. */
import type { ClstrError } from '@clstr/core';
import type { PendingTable } from '@clstr/core/wire';
import { PendingAttempt } from '@clstr/core/wire';
import type { Msg } from 'nats';
import type { Connection } from './connection.ts';
import type { ResolvedNatsOptions } from './nats-options.ts';
import type { NatsTransportStats } from './stats.ts';

export class Outgoing extends PendingAttempt {
  /** The message it left in; undefined before. */
  batch: SentBatch | undefined = undefined;
}

/** One message that left: what a 503 for it, or the loss of the connection, concerns. */
export interface SentBatch {
  /** Last token of its reply subject. */
  readonly token: string;
  readonly subject: string;
  /** All entries it carried, some of which may have ended since; emptied when all have. */
  entries: readonly Outgoing[];
  /** Entries that have not ended. */
  open: number;
}

/** How entries become messages, and messages replies. */
export interface ClientWire {
  /** Publishes the entries of one turn; tells the link of each message by `sent`, of each failure by `failed`. */
  send(turn: readonly Outgoing[]): void;
  /** Reads a message of the inbox that is no 503. */
  read(message: Msg): void;
  cancel(outgoing: Outgoing): void;
  /** As {@link ClientLink.explainSilence}. */
  explainSilence?(): string | undefined;
}

/** What a wire needs of its link. */
export interface WireHost {
  readonly connection: Connection;
  readonly options: ResolvedNatsOptions;
  readonly stats: NatsTransportStats;
  readonly clientId: number;
  readonly inbox: string;
  readonly pending: PendingTable<Outgoing>;
  sent(batch: SentBatch): void;
  failed(outgoing: Outgoing, error: ClstrError): void;
  /** An entry of a batch ended. */
  ended(outgoing: Outgoing): void;
  batchFailed(token: string, error: ClstrError): void;
}
