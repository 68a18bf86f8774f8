/** The state of durable actors in Postgres: all that a store has to do. `docs/how-to/write-a-store.md` explains it. */
import { ClstrError, isClstrError } from '@clstr/core';
import type { ErrorCode } from '@clstr/core';
import { refusalOf } from '@clstr/core/store';
import type { CasOutcome, StateHead, StateLog, StatePlace, StateRecord } from '@clstr/core/store';
import type { StateStore, StateStoreContext, StateStores, StoredRecord } from '@clstr/core/store';
import { DatabaseError, Pool } from 'pg';

export interface PostgresStoreOptions {
  /** Such as `postgres://user:password@host/database`. Its tables are made in the first schema of the search path. */
  connectionString: string;
  /** How many connections a service of an app has at most. Default 8. */
  maxConnections?: number | undefined;
}

export function postgresStore({ connectionString, maxConnections = 8 }: PostgresStoreOptions): StateStores {
  return {
    async open(context) {
      const store = new PostgresStore(context, connectionString, maxConnections);
      try {
        await store.makeTables();
        return store;
      } catch (error) {
        await store.close();
        throw openError(error);
      }
    },
  };
}

/** Postgres takes a gigabyte, but the state of an actor is read and written as one. */
const MAX_RECORD_BYTES = 1_048_576;
const TOO_LARGE = `the record has more than the ${MAX_RECORD_BYTES} bytes that the store takes`;
const CONNECT_MS = 2_000;
const OPEN_MS = 10_000;
const PROBE_PAUSE_MS = 250;

class PostgresStore implements StateStore {
  readonly maxRecordBytes = MAX_RECORD_BYTES;
  isConnected = true;
  readonly #context: StateStoreContext;
  readonly #pool: Pool;
  readonly #calls = new Set<AbortController>();
  #closing: Promise<void> | undefined;
  #stopProbe: () => void = () => undefined;

  constructor(context: StateStoreContext, connectionString: string, max: number) {
    this.#context = context;
    // One connection stays open, so that the store notices at once when the server has gone.
    this.#pool = new Pool({ connectionString, max, min: 1, connectionTimeoutMillis: CONNECT_MS });
    this.#pool.on('error', () => this.#onLost());
    this.#pool.on('connect', (client) => client.on('error', () => undefined)); // its query fails, too
  }

  async makeTables(): Promise<void> {
    await this.#ask(OPEN_MS, TABLES);
  }

  async load(place: StatePlace, timeoutMs: number): Promise<StateLog> {
    const records = await this.#ask<StoredRecord>(timeoutMs, LOAD, this.#of(place));
    return { revision: records.at(-1)?.revision ?? 0, records };
  }

  async append(
    place: StatePlace,
    revision: number,
    { bytes, isWhole }: StateRecord,
    timeoutMs: number,
  ): Promise<CasOutcome> {
    const isAlone = isWhole && place.keeps === 'newest';
    try {
      if (bytes.length > MAX_RECORD_BYTES) throw new ClstrError('PAYLOAD_TOO_LARGE', TOO_LARGE);
      const values = [...this.#of(place), revision, isWhole, isAlone, bytes];
      const [written] = await this.#ask<StoredRecord>(timeoutMs, APPEND, values);
      return written === undefined ? { kind: 'lost' } : { kind: 'acked', revision: written.revision };
    } catch (error) {
      return { kind: 'unknown', refusal: refusalOf(error) };
    }
  }

  async erase(place: StatePlace, revision: number, timeoutMs: number): Promise<void> {
    await this.#ask(timeoutMs, ERASE, [...this.#of(place), revision]);
  }

  async list(place: Omit<StatePlace, 'key'>, timeoutMs: number): Promise<readonly StateHead[]> {
    const values = this.#of({ ...place, key: '' }).slice(0, -1);
    const rows = await this.#ask<StoredRecord & { key: Buffer }>(timeoutMs, LIST, values);
    return rows.map((row) => ({ ...row, key: row.key.toString() }));
  }

  close(): Promise<void> {
    this.isConnected = false;
    this.#stopProbe();
    for (const call of this.#calls) call.abort(connectionLost('was closed'));
    return (this.#closing ??= this.#pool.end());
  }

  #of({ space, shard, key }: StatePlace): unknown[] {
    const { cluster, service } = this.#context;
    return [cluster, service, space, shard, Buffer.from(key)]; // a text of Postgres holds no NUL
  }

  async #ask<Row extends object>(ms: number, sql: string, values: unknown[] = []): Promise<Row[]> {
    if (!this.isConnected) throw connectionLost(this.#closing ? 'is closed' : 'is down');
    return await this.#run<Row>(ms, sql, values);
  }

  async #run<Row extends object>(ms: number, sql: string, values: unknown[]): Promise<Row[]> {
    const call = new AbortController();
    const stopTimer = this.#context.clock.timer(() => {
      call.abort(new ClstrError('TIMEOUT', `Postgres did not answer within ${ms} ms`));
    }, ms);
    this.#calls.add(call);
    try {
      return await Promise.race([ended(call.signal), this.#query<Row>(call.signal, sql, values)]);
    } catch (error) {
      const translated = translate(error);
      if (translated.code === 'CONNECTION_LOST') this.#onLost();
      throw translated;
    } finally {
      stopTimer();
      this.#calls.delete(call);
    }
  }

  async #query<Row extends object>(call: AbortSignal, sql: string, values: unknown[]): Promise<Row[]> {
    const client = await this.#pool.connect();
    let release = (isBroken: boolean): void => {
      release = () => undefined;
      client.release(isBroken);
    };
    try {
      call.throwIfAborted(); // what is over must not be sent late
      call.addEventListener('abort', () => release(true)); // nor may the next call wait behind it
      return (await client.query<Row>(sql, values)).rows;
    } catch (error) {
      release(translate(error).code === 'CONNECTION_LOST');
      throw error;
    } finally {
      release(false);
    }
  }

  #onLost(): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    this.#probe();
  }

  /** Asks until the server answers. */
  #probe(): void {
    this.#run(CONNECT_MS, 'SELECT 1', []).then(
      () => (this.isConnected = this.#closing === undefined),
      () => {
        if (this.#closing !== undefined) return;
        this.#stopProbe = this.#context.clock.timer(() => this.#probe(), PROBE_PAUSE_MS);
      },
    );
  }
}

const TABLES = `
  SELECT pg_advisory_xact_lock(hashtext('clstr'));
  CREATE SEQUENCE IF NOT EXISTS clstr_revision;
  CREATE TABLE IF NOT EXISTS clstr_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster text NOT NULL, service text NOT NULL, space text NOT NULL, shard int NOT NULL, key bytea NOT NULL,
    revision bigint NOT NULL, whole bigint NOT NULL);
  CREATE UNIQUE INDEX IF NOT EXISTS clstr_log_place ON clstr_log (cluster, service, space, shard, sha256(key));
  CREATE TABLE IF NOT EXISTS clstr_record (
    log bigint REFERENCES clstr_log ON DELETE CASCADE, revision bigint, is_whole boolean NOT NULL, bytes bytea NOT NULL,
    PRIMARY KEY (log, revision))`;

const SHELF = 'cluster = $1 AND service = $2 AND space = $3 AND shard = $4';
const PLACE = `${SHELF} AND sha256(key) = sha256($5)`;
const RECORD = 'r.revision::float8 AS revision, is_whole AS "isWhole", bytes';

/** The row of the log decides: Postgres locks it, and compares its revision again after it has waited for the lock. */
const APPEND = `
  WITH moved AS (
    UPDATE clstr_log SET (revision, whole) =
      (SELECT n, CASE WHEN $7 THEN n ELSE whole END FROM nextval('clstr_revision') AS n)
    WHERE ${PLACE} AND revision = $6::bigint RETURNING id, revision
  ), made AS (
    INSERT INTO clstr_log (cluster, service, space, shard, key, revision, whole)
    SELECT $1, $2, $3, $4, $5, n, CASE WHEN $7 THEN n ELSE 0 END FROM nextval('clstr_revision') AS n
    WHERE $6::bigint = 0 ON CONFLICT DO NOTHING RETURNING id, revision
  ), written AS (SELECT * FROM moved UNION ALL SELECT * FROM made), pruned AS (
    DELETE FROM clstr_record USING written WHERE log = written.id AND $8
  )
  INSERT INTO clstr_record SELECT id, revision, $7, $9 FROM written RETURNING revision::float8 AS revision`;

const LOAD = `
  SELECT ${RECORD} FROM clstr_log l JOIN clstr_record r ON log = id AND r.revision >= whole
  WHERE ${PLACE} ORDER BY r.revision`;

const LIST = `
  SELECT key, ${RECORD} FROM clstr_log l JOIN clstr_record r ON log = id AND r.revision = l.revision WHERE ${SHELF}`;

const ERASE = `
  WITH head AS (SELECT id, revision FROM clstr_log WHERE ${PLACE} FOR UPDATE), pruned AS (
    DELETE FROM clstr_record r USING head WHERE log = head.id AND r.revision <= $6
  )
  DELETE FROM clstr_log l USING head WHERE l.id = head.id AND head.revision <= $6`;

function ended(call: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    call.addEventListener('abort', () => reject(call.reason as ClstrError));
  });
}

function connectionLost(what: string, cause?: unknown): ClstrError {
  return new ClstrError('CONNECTION_LOST', `the connection to Postgres ${what}`, { cause });
}

/** What the server says is a refusal, unless it says that it goes away (08, 57P). All else comes from the connection. */
function translate(error: unknown): ClstrError {
  if (isClstrError(error)) return error;
  const { message } = error as Error;
  const isRefusal = error instanceof DatabaseError && !/^(08|57P)/.test(error.code ?? '');
  if (!isRefusal) return connectionLost(`was lost: ${message}`, error);
  return new ClstrError('STORE_REFUSED', `Postgres refuses: ${message} (${error.code})`, { cause: error });
}

const OPEN_CODES: Readonly<Record<string, ErrorCode>> = {
  '28000': 'AUTH_FAILED',
  '28P01': 'AUTH_FAILED',
  '42501': 'NO_PERMISSION',
};

function openError(error: unknown): ClstrError {
  const { code, message, cause } = translate(error);
  const sqlState = (cause as { code?: string } | undefined)?.code ?? '';
  const known = code === 'CONNECTION_LOST' ? 'CONNECT_FAILED' : OPEN_CODES[sqlState];
  return new ClstrError(known ?? code, message, { cause });
}
