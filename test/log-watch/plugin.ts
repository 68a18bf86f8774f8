/**
 * Lets tests see every line that the code under test logs and every payload that it encodes, whatever logger a test
 * uses: it adds a call at the two places that all lines pass, and at the one that all payloads pass.
 */
import type { Plugin } from 'vitest/config';

interface Place {
  readonly file: string;
  readonly before: string;
  readonly after: string;
}

const PLACES: readonly Place[] = [
  {
    file: '/core/src/base/observers.ts',
    before: 'logger[level](redactedFields(fields)',
    after: `globalThis.clstrLogWatch?.line(level, redactedFields(fields), message && redacted(printable(message)));\n logger[level](redactedFields(fields)`,
  },
  {
    file: '/core/src/base/logger.ts',
    before: '{ debug: ignore, info: ignore, warn: ignore, error: ignore };',
    // Code without a logger: the watch gets what a logger would get.
    after: `Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, (fields, message) =>
      globalThis.clstrLogWatch?.line(level, redactedFields(fields), message && redacted(message))]));
      import { redacted, redactedFields } from './redact.ts';`,
  },
  {
    file: '/core/src/wire/codec.ts',
    before: 'const encoded: unknown = codec.encode(value);',
    after: 'globalThis.clstrLogWatch?.payload(value);\n const encoded: unknown = codec.encode(value);',
  },
];

export function logWatch(): Plugin {
  return {
    name: 'log-watch',
    enforce: 'pre',
    transform(code, id) {
      const place = PLACES.find(({ file }) => id.split('?')[0]!.endsWith(file));
      if (place === undefined) return undefined;
      if (!code.includes(place.before))
        throw new Error(`${id} has no ${place.before}: adapt ${place.file} here`);
      return { code: code.replace(place.before, () => place.after), map: null };
    },
  };
}
