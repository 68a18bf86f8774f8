import { describe, expect, test } from 'vitest';
import { TypeLabels } from '../../src/base/type-labels.ts';

describe('the label of a message type', () => {
  test('is the type when it is declared, and other when it is not, whatever the outcome', () => {
    const labels = new TypeLabels(['Get']);
    expect([labels.of('Get', false), labels.of('Set', true), labels.of('Set', true)]).toEqual([
      'Get',
      'other',
      'other',
    ]);
  });

  test('is other for each type of a handler that declares none at all', () => {
    expect(new TypeLabels([]).of('Get', true)).toBe('other');
  });

  test('without a declaration is the type once it has proved to exist, from then on', () => {
    const labels = new TypeLabels();
    expect([labels.of('Get', false), labels.of('Get', true), labels.of('Get', false)]).toEqual([
      'other',
      'Get',
      'Get',
    ]);
  });

  test('is one of at most 257', () => {
    const labels = new TypeLabels();
    const seen = new Set(Array.from({ length: 10_000 }, (_, i) => labels.of(`type-${i}`, true)));
    expect(seen.size).toBe(257);
    expect(seen).toContain('other');
  });
});
