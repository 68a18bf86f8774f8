import { createTraceState } from '@opentelemetry/api';
import { describe, expect, test } from 'vitest';
import { nameSpan, spanContextOf } from '../src/trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('traceparent', () => {
  test.each([
    ['sampled', `00-${TRACE}-${SPAN}-01`, 1],
    ['not sampled', `00-${TRACE}-${SPAN}-00`, 0],
    ['with further flags', `00-${TRACE}-${SPAN}-ff`, 1],
    ['of a later version', `cc-${TRACE}-${SPAN}-01`, 1],
    ['of a later version that goes on', `cc-${TRACE}-${SPAN}-01-what-else`, 1],
  ])('%s is read', (_what, traceparent, traceFlags) => {
    const named = { traceId: TRACE, spanId: SPAN, traceFlags, isRemote: true };
    expect(spanContextOf({ traceparent }, true)).toEqual(named);
  });

  test.each([
    '',
    'x',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}-1`,
    `ff-${TRACE}-${SPAN}-01`,
    `cc-${TRACE}-${SPAN}-01.what`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    ` 00-${TRACE}-${SPAN}-01`,
  ])('%j names no span', (traceparent) => {
    expect(spanContextOf({ traceparent }, true)).toBeUndefined();
  });

  test('absent names no span', () => {
    expect(spanContextOf(undefined, true)).toBeUndefined();
    expect(spanContextOf({ tracestate: 'a=b' }, true)).toBeUndefined();
  });
});

test('tracestate travels with the span, and goes with it', () => {
  const traceparent = `00-${TRACE}-${SPAN}-01`;
  const read = spanContextOf({ traceparent, tracestate: 'a=1,b=2' }, false)!;
  expect(read.traceState?.serialize()).toBe('a=1,b=2');
  const headers: Record<string, string> = { tracestate: 'old=1', tenant: 'acme' };
  nameSpan(headers, { ...read, traceState: createTraceState('c=3') });
  expect(headers).toEqual({ traceparent, tracestate: 'c=3', tenant: 'acme' });
  nameSpan(headers, { traceId: TRACE, spanId: SPAN, traceFlags: 0 });
  expect(headers).toEqual({ traceparent: `00-${TRACE}-${SPAN}-00`, tenant: 'acme' });
});
