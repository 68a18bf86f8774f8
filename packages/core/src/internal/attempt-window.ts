/** Recognises attempts that arrived before, so that each runs at most once. */

/** Slots of a busy session. An attempt is forgotten when one that differs by a multiple of this arrives. */
const WINDOW = 8_192;
/** Attempts of a session after which it counts as busy; until then all of them are remembered, in less memory. */
const BUSY_AT = 64;
/** Sessions remembered; the one unused for longest is forgotten first. */
const SESSIONS = 1_024;

/** The attempts of one session: a set while they are few, then a table of slots. */
interface Session {
  few: Set<number> | undefined;
  slots: Float64Array | undefined;
}

export class AttemptWindow {
  readonly #sessions = new Map<number, Session>();
  #lastId = 0;
  #last: Session | undefined;

  /** False when the attempt arrived before. */
  admit(sessionId: number, attempt: number): boolean {
    const session = sessionId === this.#lastId ? this.#last! : this.#session(sessionId);
    return session.slots === undefined ? admitToFew(session, attempt) : admitToSlots(session.slots, attempt);
  }

  #session(id: number): Session {
    let session = this.#sessions.get(id);
    if (session === undefined) {
      if (this.#sessions.size >= SESSIONS) {
        const [oldest] = this.#sessions.keys();
        this.#sessions.delete(oldest!);
      }
      session = { few: new Set(), slots: undefined };
    } else {
      this.#sessions.delete(id);
    }
    this.#sessions.set(id, session);
    this.#lastId = id;
    this.#last = session;
    return session;
  }
}

function admitToFew(session: Session, attempt: number): boolean {
  const few = session.few!;
  if (few.has(attempt)) return false;
  few.add(attempt);
  if (few.size > BUSY_AT) {
    const slots = new Float64Array(WINDOW).fill(-1);
    for (const known of few) slots[known % WINDOW] = known;
    session.slots = slots;
    session.few = undefined;
  }
  return true;
}

function admitToSlots(slots: Float64Array, attempt: number): boolean {
  const slot = attempt % WINDOW;
  if (slots[slot] === attempt) return false;
  slots[slot] = attempt;
  return true;
}
