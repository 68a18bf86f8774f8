/**
 * Estimates the work of parsing a JSON text from its brackets and colons. Each array or object costs up to 0.5 µs however
 * little it holds, so a megabyte of brackets would block the event loop for half a second.
 */

export interface JsonBounds {
  /** Arrays and objects in the text. */
  readonly containers: number;
  /** Members of all its objects together. */
  readonly members: number;
}

/** The bounds of a payload: a megabyte of records has 25,000 arrays and objects. */
export const PAYLOAD_BOUNDS: JsonBounds = { containers: 100_000, members: Number.POSITIVE_INFINITY };

/** Reads the text once, in 1 to 3 ms per megabyte, unless it is too short to be heavy. */
export function isHeavyJson(text: string, { containers, members }: JsonBounds): boolean {
  if (text.length <= containers && text.length <= members) return false;
  let opened = 0;
  let named = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = endOfString(text, i + 1);
      if (i < 0) return false;
    } else if (code === OPEN_BRACKET || code === OPEN_BRACE) {
      if (++opened > containers) return true;
    } else if (code === COLON && ++named > members) return true;
  }
  return false;
}

const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;

/** The end of the string that begins at `from`; -1 if it does not end, so that the text is not JSON. */
function endOfString(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === BACKSLASH) first--;
  return (at - first) % 2 === 1;
}
