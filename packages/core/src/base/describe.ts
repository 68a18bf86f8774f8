/**
 * Makes foreign text safe to show in errors and log lines: a character that a terminal or a log would interpret, such as
 * a line break, an escape or a mark that changes the direction of writing, becomes `\uXXXX`.
 */

/** Controls, formats, separators except the space, halves of surrogate pairs, and invisible characters. */
const NOT_PRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu;
/** Matches nearly every text, at a tenth of the cost of the other pattern. */
const PLAIN = /^[ -~]*$/;

/** Returns one printable line of at most `maxLength` characters of the text; printable characters stay as they are. */
export function printable(text: string, maxLength: number = MAX_TEXT_LENGTH): string {
  const short = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return PLAIN.test(short) ? short : short.replace(NOT_PRINTABLE, escaped);
}

/** Describes any value in a short printable text, strings in quotes. */
export function describe(value: unknown): string {
  if (typeof value === 'string') {
    return printable(JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value));
  }
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  if (typeof value === 'function') return 'a function';
  return printable(String(value), 64);
}

/** A message has room for a call chain through many keys; a longer text, which a peer made up, is cut. */
const MAX_TEXT_LENGTH = 4_096;

function escaped(character: string): string {
  const code = character.codePointAt(0)!.toString(16);
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
}
