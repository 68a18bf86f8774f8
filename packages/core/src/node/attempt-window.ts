/** Recognises attempts that arrived before, so that each runs at most once: docs/decisions/0005. */

/** How many attempts share a word of marks. */
const BLOCK = 32;
/** How many blocks of a client are known: the last 8,192 attempts, wherever in a block they begin. */
const BLOCKS = 8_192 / BLOCK + 1;
/** The most clients remembered; the one unused for longest is forgotten first. */
const CLIENTS = 1_024;
/** A copy comes soon after its original, or never. */
const IDLE_MS = 60_000;
const LOOK_MS = 10_000;

export class AttemptWindow {
  /** Ordered by last use, the oldest first. */
  readonly #clients = new Map<number, Client>();
  /** The newest client id of each inbox: a client has one, so a sender that invents ids evicts only its own. */
  readonly #ofInboxes = new Map<string, Client>();
  #last: Client | undefined;
  #lookedMs = 0;
  /** The words of the client forgotten last, for reuse by the next one. */
  #spare: Uint32Array | undefined;

  /** Returns false if the attempt arrived before. Clients without an `inbox` count only towards the bound of all. */
  admit(id: number, attempt: number, inbox: string | undefined, nowMs: number): boolean {
    if (nowMs - this.#lookedMs >= LOOK_MS) this.#forgetIdle(nowMs);
    const last = this.#last;
    const client = last !== undefined && last.id === id ? last : this.#client(id, inbox);
    client.usedMs = nowMs;
    return client.admit(attempt);
  }

  #client(id: number, inbox: string | undefined): Client {
    const known = this.#clients.get(id);
    if (known !== undefined) this.#clients.delete(id);
    const client = known ?? this.#begin(id, inbox);
    this.#clients.set(id, client);
    this.#last = client;
    return client;
  }

  #begin(id: number, inbox: string | undefined): Client {
    const former = inbox === undefined ? undefined : this.#ofInboxes.get(inbox);
    if (former !== undefined) this.#forget(former);
    else if (this.#clients.size >= CLIENTS) {
      const [oldest] = this.#clients.values();
      this.#forget(oldest!);
    }
    const client = new Client(id, inbox, this.#spare?.fill(0));
    this.#spare = undefined;
    if (inbox !== undefined) this.#ofInboxes.set(inbox, client);
    return client;
  }

  #forgetIdle(nowMs: number): void {
    this.#lookedMs = nowMs;
    for (const client of this.#clients.values()) {
      if (nowMs - client.usedMs >= IDLE_MS) this.#forget(client);
    }
  }

  #forget(client: Client): void {
    this.#clients.delete(client.id);
    if (client.inbox !== undefined) this.#ofInboxes.delete(client.inbox);
    if (client === this.#last) this.#last = undefined;
    this.#spare = client.words;
  }
}

class Client {
  readonly id: number;
  readonly inbox: string | undefined;
  usedMs = 0;
  /** The number of each block, in 32 bits, and its marks. */
  readonly words: Uint32Array;

  constructor(id: number, inbox: string | undefined, words: Uint32Array = new Uint32Array(2 * BLOCKS)) {
    this.id = id;
    this.inbox = inbox;
    this.words = words;
  }

  admit(attempt: number): boolean {
    const { words } = this;
    const block = Math.floor(attempt / BLOCK);
    const mark = 1 << (attempt % BLOCK);
    const at = 2 * (block % BLOCKS);
    const marks = words[at] === block >>> 0 ? words[at + 1]! : 0;
    if ((marks & mark) !== 0) return false;
    words[at] = block;
    words[at + 1] = marks | mark;
    return true;
  }
}
