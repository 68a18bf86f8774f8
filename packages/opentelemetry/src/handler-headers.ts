/**
 * What the handler of a traced message sees as its headers: they know their span, in a field that nothing copies. A
 * `WeakMap` would take ten times as long.
 */
import type { Span } from '@opentelemetry/api';
import type { Headers } from '@clstr/core';
import { nameSpan } from './trace-context.ts';

export class HandlerHeaders {
  [name: string]: string;
  readonly #span: Span;

  constructor(headers: Headers, span: Span) {
    for (const name in headers) this[name] = headers[name]!;
    nameSpan(this, span.spanContext());
    this.#span = span;
  }

  static spanOf(headers: Headers): Span | undefined {
    return #span in headers ? headers.#span : undefined;
  }
}

// Headers have no names but those that were sent, not even `constructor`.
Object.setPrototypeOf(HandlerHeaders.prototype, null);
Reflect.deleteProperty(HandlerHeaders.prototype, 'constructor');
