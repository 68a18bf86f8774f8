/** Words that were given up for the field's own, and which word took their place. Names in code count as words. */
const GIVEN_UP: Readonly<Record<string, string>> = {
  redeliver: 'hold queue (in messaging the broker redelivers)',
  strand: 'calls to a former owner',
  tenure: 'shard lease',
  lapses: 'the lease expired (a node may be "lapsed")',
  bury: 'declare dead',
  victim: 'target',
  lodger: 'what it is',
  inflict: 'apply',
  inhabitant: 'actor core',
  unheard: 'unanswered, or not delivered',
  living: 'dynamic cluster',
};

/** `path:line: word` for each use of a word that was given up. */
export function givenUpWords(path: string, text: string): string[] {
  const pattern = new RegExp(Object.keys(GIVEN_UP).map(inEitherCase).join('|'), 'g');
  return text
    .split('\n')
    .flatMap((line, index) => [...line.matchAll(pattern)].map(([word]) => `${path}:${index + 1}: ${word}`));
}

/** `Word` and `word`, but no capital within it, where two other words meet. */
function inEitherCase(word: string): string {
  return `[${word[0]!.toUpperCase()}${word[0]!}]${word.slice(1)}`;
}
