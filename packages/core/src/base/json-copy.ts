/** Copies a value for JSON: a mark such as `[BigInt 5]` replaces each part that JSON would refuse or empty. */
import { counted } from './count-text.ts';

const MAX_DEPTH = 32;

/** Never throws, whatever getters and `toJSON` methods do. `undefined` stays; JSON leaves it out. */
export function jsonCopy(value: unknown): unknown {
  return copyOf(value, []);
}

function copyOf(value: unknown, ancestors: readonly object[]): unknown {
  try {
    switch (typeof value) {
      case 'bigint':
        return `[BigInt ${value}]`;
      case 'number':
        return Number.isFinite(value) ? value : `[${value}]`;
      case 'function':
      case 'symbol':
        return `[${typeof value}]`;
      case 'object':
        return value === null ? null : copyOfObject(value, ancestors);
      default:
        return value;
    }
  } catch (error) {
    return `[unreadable: ${error instanceof Error ? error.message : 'it threw'}]`;
  }
}

function copyOfObject(value: object, ancestors: readonly object[]): unknown {
  if (ancestors.includes(value)) return '[circular]';
  if (ancestors.length >= MAX_DEPTH) return '[nested too deep]';
  const inside = [...ancestors, value];
  if (value instanceof Error) return `[${value.name}: ${value.message}]`;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') return copyOf((toJSON as () => unknown).call(value), inside);
  if (Array.isArray(value)) return value.map((item: unknown) => copyOf(item, inside));
  const kind = kindOf(value);
  if (kind !== undefined) return kind;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const item = copyOf((value as Record<string, unknown>)[key], inside);
    // Plain assignment would set the prototype for the key `__proto__`.
    Object.defineProperty(copy, key, { value: item, enumerable: true, configurable: true, writable: true });
  }
  return copy;
}

/** The mark of an object whose content is not in its properties. */
function kindOf(value: object): string | undefined {
  if (value instanceof Map || value instanceof Set) return `[${value.constructor.name} of ${value.size}]`;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return `[${value.constructor.name} of ${counted(value.byteLength, 'byte')}]`;
  if (
    value instanceof Promise ||
    value instanceof WeakMap ||
    value instanceof WeakSet ||
    value instanceof RegExp
  )
    return `[${value.constructor.name}]`;
  return undefined;
}
