/** Finds what belongs to one machine and not to a repository: absolute paths and package registries. */

interface Rule {
  readonly what: string;
  readonly pattern: RegExp;
}

/** Written so that no pattern matches its own source. */
const RULES: readonly Rule[] = [
  {
    what: 'an absolute path',
    pattern: /(?<![\w.*\])}/-])\/(?:work|root|home|Users|builds|workspace)\/[\w.]/,
  },
  { what: 'an absolute path', pattern: /\b[A-Za-z]:\\{1,2}Users\\/ },
  { what: 'an absolute path', pattern: /\bfile:\/\/\/[a-z]/i },
  { what: 'a registry', pattern: /["']?resolved["']?\s*[:=]\s*["']https?:/ },
  { what: 'a registry', pattern: /^\s*(?:@[\w-]+:)?registry\s*=/ },
  {
    what: 'a registry',
    pattern: /\bhttps?:\/\/[^\s/"'`)]*\b(?:registry|npm|artifactory|nexus|verdaccio)\b[^\s/"'`)]*/,
  },
  { what: 'a registry', pattern: /\/\/[^\s/"']+\/:_auth/ },
];

/** One sentence per line of `text` that breaks a rule, each starting with `path:line`. */
export function privateNames(path: string, text: string): string[] {
  if (text.includes('\0')) return [];
  return text.split('\n').flatMap((line, index) => {
    const broken = RULES.find(({ pattern }) => pattern.test(line));
    return broken === undefined
      ? []
      : [`${path}:${index + 1} names ${broken.what}: ${line.trim().slice(0, 120)}`];
  });
}
