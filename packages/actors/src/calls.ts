/** Calls as data: the methods of an actor return what `client.requestMany` takes. */

import type { CallOptions, KeyedCall } from '@clstr/core';
import { invalidOption } from '@clstr/core/internal';
import type { InputOf, Methods, OutputOf } from './method.ts';
import type { CallArguments, Caller } from './ref.ts';

/** One function per method with an answer: it makes no call, but describes one. */
export type Calls<M extends Methods> = {
  readonly [Name in keyof M as M[Name]['kind'] extends 'request' ? Name : never]: (
    ...args: CallArguments<InputOf<M[Name]>>
  ) => KeyedCall<OutputOf<M[Name]>>;
};

/** A caller whose refs describe their calls in place of making them. */
export function describing(service: string | undefined): Caller {
  return {
    requestKey: (key: string, type: string, payload?: unknown, options?: CallOptions) =>
      ({ key, type, payload, options, service }) as never,
    notifyKey: (_key, type) => {
      throw invalidOption('call', 'the method', type, 'one with an answer: a list makes requests');
    },
  };
}
