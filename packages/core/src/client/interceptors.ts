/** Runs the interceptors of a client around a call. */
import { invalidOption } from '../base/options.ts';
import { checkCallerType } from '../wire/envelope.ts';
import type { ClientCall, ClientInterceptor } from './options.ts';

/** `send` gets the call as the innermost interceptor has passed it on: its key and shard are those of `original`. */
export async function intercepted(
  interceptors: readonly ClientInterceptor[],
  original: ClientCall,
  send: (call: ClientCall) => Promise<unknown>,
): Promise<unknown> {
  const pass = (index: number, call: ClientCall): Promise<unknown> => {
    if (typeof (call as unknown) !== 'object')
      throw invalidOption('interceptor', 'next()', call, 'given a call');
    const interceptor = interceptors[index];
    if (interceptor !== undefined) return interceptor(call, (changed) => pass(index + 1, changed));
    if (call.type !== original.type) checkCallerType(call.type);
    return send(call);
  };
  return await pass(0, original);
}
