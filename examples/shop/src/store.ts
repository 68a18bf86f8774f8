/**
 * The documents of one service in SQLite. A write names the version that it replaces and the fencing token of its writer,
 * so that a former owner of a key cannot overwrite what the next owner has written.
 */
import Database from 'libsql';

export interface Document<T> {
  readonly kind: string;
  readonly key: string;
  /** 0: not stored yet. */
  version: number;
  value: T;
}

export interface Change {
  readonly document: Document<unknown>;
  readonly value: unknown;
}

export interface Store {
  load<T>(kind: string, key: string, initial: T): Document<T>;
  /** Writes all changes or none, then brings their documents up to date. @throws StaleWriteError */
  save(fencingToken: number | undefined, ...changes: readonly Change[]): void;
  all<T>(kind: string): ReadonlyMap<string, T>;
  close(): void;
}

export class StaleWriteError extends Error {
  override readonly name = 'StaleWriteError';
}

/** The next version of a document, for `save`. */
export function next<T>(document: Document<T>, value: T): Change {
  return { document, value };
}

interface Row {
  readonly key: string;
  readonly version: number;
  readonly fence: number;
  readonly json: string;
}

/** @param file shared by the processes of a service; `:memory:` for this process alone. */
export function openStore(file: string): Store {
  const db = new Database(file);
  db.pragma('busy_timeout = 2000');
  db.pragma('journal_mode = WAL');
  db.exec(`CREATE TABLE IF NOT EXISTS documents (kind TEXT, key TEXT, version INTEGER NOT NULL, fence INTEGER NOT NULL,
    json TEXT NOT NULL, PRIMARY KEY (kind, key))`);
  const select = db.prepare('SELECT * FROM documents WHERE kind = ? AND key = ?');
  const selectAll = db.prepare('SELECT * FROM documents WHERE kind = ?');
  const upsert = db.prepare('INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)');
  const find = (kind: string, key: string): Row | undefined => select.get(kind, key) as Row | undefined;

  const write = db.transaction((fence: number, changes: readonly Change[]) => {
    for (const { document, value } of changes) {
      const { kind, key, version } = document;
      const row = find(kind, key);
      if ((row?.fence ?? 0) > fence) throw new StaleWriteError(`${kind} ${key} has a newer owner`);
      if ((row?.version ?? 0) !== version) throw new StaleWriteError(`${kind} ${key} has a newer version`);
      upsert.run(kind, key, version + 1, fence, JSON.stringify(value));
    }
  });

  return {
    load<T>(kind: string, key: string, initial: T) {
      const row = find(kind, key);
      return { kind, key, version: row?.version ?? 0, value: row ? (JSON.parse(row.json) as T) : initial };
    },
    save(fencingToken = 0, ...changes) {
      // Immediate: the transaction locks out other writers before it reads.
      write.immediate(fencingToken, changes);
      for (const { document, value } of changes)
        Object.assign(document, { value, version: document.version + 1 });
    },
    all: <T>(kind: string) =>
      new Map((selectAll.all(kind) as Row[]).map(({ key, json }) => [key, JSON.parse(json) as T])),
    close: () => db.close(),
  };
}
