/**
 * Takes secrets out of what is logged, whatever part of a line holds them: the text, a field, an error or its cause.
 * It knows secrets by their form, or by the name of their field.
 */

const HIDDEN = '***';
/** Each pattern keeps its first group, which says what was hidden. */
const SECRETS: readonly RegExp[] = [
  /\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/,'"]{1,256}(?=@)/gi,
  /()\beyJ[\w-]{5,}\.[\w-]+\.[\w-]+/g,
  /()\bS[ACNOU][A-Z2-7]{56}\b/g,
  /\b(bearer )[\w.~+/=-]{8,}/gi,
  /\b((?:password|passwd|pass|token|secret|api[_-]?key|access[_-]?key)=)[^\s&,'"]+/gi,
];
/** A text without these holds none of the secrets above; most texts pass this test alone. */
const SUSPECT = /@|eyJ|\bS[ACNOU][A-Z2-7]{56}|bearer |=/i;
const SECRET_NAME =
  /^(?:pass(?:word|wd)?|token|secret|authorization|cookie|jwt|nkey|creds|credentials|api[_-]?key|access[_-]?key|private[_-]?key)$/i;
const MAX_DEPTH = 4;

/** Returns the text with each secret replaced by `***`. */
export function redacted(text: string): string {
  if (!SUSPECT.test(text)) return text;
  return SECRETS.reduce((left, secret) => left.replace(secret, `$1${HIDDEN}`), text);
}

/** Returns the same object if it holds no secret, otherwise a copy of the parts that do. */
export function redactedFields<T extends object>(fields: T): T {
  return redactedObject(fields, 0) as T;
}

function redactedValue(value: unknown, name: string, depth: number): unknown {
  if (typeof value === 'string') return SECRET_NAME.test(name) ? HIDDEN : redacted(value);
  if (typeof value !== 'object' || value === null || depth >= MAX_DEPTH) return value;
  if (value instanceof Error) return redactedError(value, depth);
  return isPlain(value) ? redactedObject(value, depth) : value;
}

function redactedObject(fields: object, depth: number): object {
  let copy: Record<string, unknown> | undefined;
  for (const [name, value] of Object.entries(fields)) {
    const clean = redactedValue(value, name, depth + 1);
    if (clean === value) continue;
    copy ??= (Array.isArray(fields) ? [...(fields as unknown[])] : { ...fields }) as Record<string, unknown>;
    copy[name] = clean;
  }
  return copy ?? fields;
}

/** A copy, because the caller holds the original. */
function redactedError(error: Error, depth: number): Error {
  const own: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(error);
  let isClean = true;
  for (const name of ['message', 'stack', 'cause', 'details'] as const) {
    const value = (error as unknown as Record<string, unknown>)[name];
    const clean = redactedValue(value, name, depth + 1);
    if (clean === value) continue;
    isClean = false;
    own[name] = { value: clean, enumerable: own[name]?.enumerable ?? false };
  }
  return isClean ? error : (Object.create(Object.getPrototypeOf(error) as object, own) as Error);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Array.isArray(value);
}
