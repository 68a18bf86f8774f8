/**
 * Foreign text as messages, errors and log lines may show it. What a terminal or a log takes for more than text, such as
 * line breaks, escape sequences and marks that turn the direction of writing, is shown as `\uXXXX`.
 */

/** Controls, formats, separators except the space, halves of surrogate pairs, and what is shown as nothing. */
const NOT_PRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu;
/** Nearly every text: to look for this costs a tenth of the other. */
const PLAIN = /^[ -~]*$/;

/** One line that shows itself; what was printable before stays as it is. At most `maxLength` characters of the text. */
export function printable(text: string, maxLength: number = MAX_TEXT_LENGTH): string {
  const short = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return PLAIN.test(short) ? short : short.replace(NOT_PRINTABLE, escaped);
}

/** A short printable text of any value, strings in quotes. */
export function describe(value: unknown): string {
  if (typeof value === 'string') {
    return printable(JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value));
  }
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  if (typeof value === 'function') return 'a function';
  return printable(String(value), 64);
}

/** A path of calls through many keys fits into a message; a longer text that a peer made up is cut. */
const MAX_TEXT_LENGTH = 4_096;

function escaped(character: string): string {
  const code = character.codePointAt(0)!.toString(16);
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
}
