/** Recognises attempts that arrived before, so that each runs at most once. */

/** Slots per session. An attempt is forgotten when one that differs by a multiple of this arrives. */
const WINDOW = 8_192;
const NONE = -1;
/** Sessions remembered; the one unused for longest is forgotten first. */
const SESSIONS = 1_024;

export class AttemptWindow {
  readonly #sessions = new Map<number, Float64Array>();
  #lastSession = 0;
  #lastSeen: Float64Array | undefined;

  /** False when the attempt was admitted before. Attempt ids grow by one per call, so slots collide 8,192 apart. */
  admit(session: number, attempt: number): boolean {
    const seen = session === this.#lastSession ? this.#lastSeen! : this.#session(session);
    const slot = attempt % WINDOW;
    if (seen[slot] === attempt) return false;
    seen[slot] = attempt;
    return true;
  }

  #session(session: number): Float64Array {
    let seen = this.#sessions.get(session);
    if (seen === undefined) {
      if (this.#sessions.size >= SESSIONS) {
        for (const oldest of this.#sessions.keys()) {
          this.#sessions.delete(oldest);
          break;
        }
      }
      seen = new Float64Array(WINDOW).fill(NONE);
    } else {
      this.#sessions.delete(session);
    }
    this.#sessions.set(session, seen);
    this.#lastSession = session;
    this.#lastSeen = seen;
    return seen;
  }
}
