/**
 * The actors a call came through, in a reserved header, so that a cycle fails before it hangs; and the tickets of the
 * nodes whose handlers wait for the call, so that those nodes admit it while they drain.
 *
 * Anyone can write the header: the actors in it are a claim. A ticket is proof: only those that its node called know it.
 */
import { counted } from '../base/count-text.ts';
import { ClstrError } from '../base/errors.ts';
import { encodeText } from '../base/bytes.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';

/** Each link names an actor and a key, outermost first. */
export type CallChain = readonly string[];

export const CALL_CHAIN_HEADER = 'x-clstr-call-chain';

/** The most links of a chain. */
export const MAX_CALL_DEPTH = 32;

/** The longest chain that a header of the native wire holds, in bytes of its JSON form. */
const MAX_CHAIN_BYTES = 65_535;

/** A secret that a node sends with the calls its handlers make, drawn at first use. */
export class Ticket {
  readonly #random: Random;
  #text: string | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  get text(): string {
    return (this.#text ??= TICKET_MARK + randomId(this.#random, TICKET_LENGTH));
  }

  /** Whether the header of a message contains it. */
  isIn(header: string | undefined): boolean {
    return this.#text !== undefined && header !== undefined && header.includes(this.#text);
  }
}

/** In the header the tickets are one text before the links: nodes without tickets take it for a link. */
const TICKET_MARK = '~';
const TICKET_LENGTH = 16;
const TICKETS = new RegExp(`^(?:${TICKET_MARK}[A-Za-z0-9_-]{${TICKET_LENGTH}}){1,${MAX_CALL_DEPTH}}$`);

/** Hides the tickets on a chain, which users see. In the global registry, as two copies of this package may be loaded. */
const HELD = Symbol.for('clstr.tickets');

interface Held {
  /** The tickets in the form in which they arrived. */
  readonly earlier: string;
  readonly own: Ticket;
  /** Which attempt of its call the message is, from 1. */
  readonly attempt: number;
  /** Calls on behalf of a critical message are critical too. */
  readonly isCritical: boolean;
}

/** The chain of the messages that a node runs: calls made under it carry its ticket. */
export function heldBy(
  own: Ticket,
  links: CallChain = [],
  earlier = '',
  attempt = 1,
  isCritical = false,
): CallChain {
  const held: Held = { earlier, own, attempt, isCritical };
  return Object.defineProperty([...links], HELD, { value: held });
}

/** Which attempt the message is on whose behalf a call is made; 1 for a call from outside. */
export function attemptOf(chain: CallChain): number {
  return (chain as { [HELD]?: Held })[HELD]?.attempt ?? 1;
}

/** Whether a call comes from a handler of the node that runs it, directly or through others: its ticket proves that. */
export function isOfOwnHandler(chain: CallChain): boolean {
  const held = (chain as { [HELD]?: Held })[HELD];
  return held !== undefined && held.earlier !== '' && held.own.isIn(held.earlier);
}

/** Whether the message is critical on whose behalf a call is made. */
export function isOnBehalfOfCritical(chain: CallChain): boolean {
  return (chain as { [HELD]?: Held })[HELD]?.isCritical ?? false;
}

/** The chain of a call that the actor named by `link` makes under `chain`. */
export function chainTo(chain: CallChain, link: string): CallChain {
  const held = (chain as { [HELD]?: Held })[HELD];
  const next = [...chain, link];
  return held === undefined ? next : Object.defineProperty(next, HELD, { value: held });
}

/** @throws INVALID_ENVELOPE with `details.chainBytes` when many long keys make a chain that no message can carry. */
export function encodeCallChain(chain: CallChain): string {
  const tickets = ticketsOf(chain);
  const header = JSON.stringify(tickets === '' ? chain : [tickets, ...chain]);
  const bytes = header.length * 3 <= MAX_CHAIN_BYTES ? 0 : encodeText(header).length;
  if (bytes <= MAX_CHAIN_BYTES) return header;
  throw new ClstrError(
    'INVALID_ENVELOPE',
    `the chain of ${counted(chain.length, 'call')} takes ${bytes} bytes, more than ${MAX_CHAIN_BYTES}`,
    { details: { chainBytes: bytes } },
  );
}

function ticketsOf(chain: CallChain): string {
  const held = (chain as { [HELD]?: Held })[HELD];
  if (held === undefined) return '';
  const { earlier, own } = held;
  return earlier.includes(own.text) ? earlier : earlier + own.text;
}

/**
 * The chain of a message that the node of `own` runs.
 *
 * @throws INVALID_ENVELOPE when the header is not a chain, or has more links than {@link MAX_CALL_DEPTH}
 */
export function decodeCallChain(header: string, own: Ticket, attempt = 1, isCritical = false): CallChain {
  let chain: unknown;
  try {
    chain = JSON.parse(header);
  } catch {
    chain = undefined;
  }
  if (Array.isArray(chain) && chain.every((link) => typeof link === 'string')) {
    const tickets = TICKETS.test(chain[0] ?? '') ? (chain.shift() as string) : '';
    if (chain.length <= MAX_CALL_DEPTH) return heldBy(own, chain, tickets, attempt, isCritical);
  }
  throw new ClstrError(
    'INVALID_ENVELOPE',
    `the header ${CALL_CHAIN_HEADER} is not a list of at most ${MAX_CALL_DEPTH} texts`,
  );
}

/** Whether a call failed because of the actors it came through. */
export function isOfChain({ code, details }: ClstrError): boolean {
  return code === 'CALL_CYCLE' || (code === 'INVALID_ENVELOPE' && details?.['chainBytes'] !== undefined);
}
