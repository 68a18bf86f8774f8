/** Recognises attempts that arrived before, so that each runs at most once: docs/decisions/0005. */

/** Attempts whose marks share a word. */
const BLOCK = 32;
/** Blocks of a session that are known: the last 8,192 attempts, wherever in a block they begin. */
const BLOCKS = 8_192 / BLOCK + 1;
/** Sessions remembered; the one unused for longest is forgotten first. */
const SESSIONS = 1_024;
/** A copy comes soon after its original, or never. */
const IDLE_MS = 60_000;
const LOOK_MS = 10_000;

export class AttemptWindow {
  /** Oldest use first. */
  readonly #sessions = new Map<number, Session>();
  /** The newest session of each inbox: a client has one, so a sender that invents others evicts only its own. */
  readonly #ofInboxes = new Map<string, Session>();
  #last: Session | undefined;
  #lookedMs = 0;
  /** Of the session forgotten last, for the next. */
  #spare: Uint32Array | undefined;

  /** False when the attempt arrived before. Sessions without an `inbox` are bounded by the number of all only. */
  admit(id: number, attempt: number, inbox: string | undefined, nowMs: number): boolean {
    if (nowMs - this.#lookedMs >= LOOK_MS) this.#forgetIdle(nowMs);
    const last = this.#last;
    const session = last !== undefined && last.id === id ? last : this.#session(id, inbox);
    session.usedMs = nowMs;
    return session.admit(attempt);
  }

  #session(id: number, inbox: string | undefined): Session {
    const known = this.#sessions.get(id);
    if (known !== undefined) this.#sessions.delete(id);
    const session = known ?? this.#begin(id, inbox);
    this.#sessions.set(id, session);
    this.#last = session;
    return session;
  }

  #begin(id: number, inbox: string | undefined): Session {
    const former = inbox === undefined ? undefined : this.#ofInboxes.get(inbox);
    if (former !== undefined) this.#forget(former);
    else if (this.#sessions.size >= SESSIONS) {
      const [oldest] = this.#sessions.values();
      this.#forget(oldest!);
    }
    const session = new Session(id, inbox, this.#spare?.fill(0));
    this.#spare = undefined;
    if (inbox !== undefined) this.#ofInboxes.set(inbox, session);
    return session;
  }

  #forgetIdle(nowMs: number): void {
    this.#lookedMs = nowMs;
    for (const session of this.#sessions.values()) {
      if (nowMs - session.usedMs >= IDLE_MS) this.#forget(session);
    }
  }

  #forget(session: Session): void {
    this.#sessions.delete(session.id);
    if (session.inbox !== undefined) this.#ofInboxes.delete(session.inbox);
    if (session === this.#last) this.#last = undefined;
    this.#spare = session.words;
  }
}

class Session {
  readonly id: number;
  readonly inbox: string | undefined;
  usedMs = 0;
  /** Of each block its number, in 32 bits, and its marks. */
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
