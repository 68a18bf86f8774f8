/** The caller's view of one actor: its methods as functions. */
import type { CallOptions } from '@clstr/core';
import { invalidOption } from '@clstr/core/internal';
import type { ActorId } from './actor-name.ts';
import type { AnyMethod, InputOf, Methods, OutputOf } from './method.ts';
import { messageType } from './method.ts';

/** The object that a ref calls through: a client, or the context of another actor. */
export interface Caller {
  requestKey<T>(key: string, type: string, payload?: unknown, options?: CallOptions): Promise<T>;
  notifyKey(key: string, type: string, payload?: unknown, options?: CallOptions): Promise<void>;
  /** The same for another service of the cluster; absent where only one can be reached. */
  service?(name: string): Caller;
}

/** The part of a contract that is needed to create refs. */
export interface Referable<M extends Methods> {
  readonly name: string;
  /** The service whose nodes run the actor. Undefined: that of the caller. */
  readonly service: string | undefined;
  /**
   * Returns the actor of `key` as an object with the contract's methods. Makes no call, and costs next to nothing.
   *
   * @throws INVALID_OPTION when the caller cannot reach the contract's service
   */
  ref(caller: Caller, key: string): Ref<M>;
}

/** One function per method; a method without an input takes no argument. */
export type Ref<M extends Methods> = {
  readonly [Name in keyof M]: (...args: CallArguments<InputOf<M[Name]>>) => Promise<OutputOf<M[Name]>>;
};

export type CallArguments<In> =
  IsAny<In> extends true
    ? [input?: In, options?: CallOptions]
    : [In] extends [void]
      ? [input?: undefined, options?: CallOptions]
      : undefined extends In
        ? [input?: In, options?: CallOptions]
        : [input: In, options?: CallOptions];

/** Detects `any`, which would otherwise match `void`. */
type IsAny<T> = 0 extends 1 & T ? true : false;

type Call = (input?: unknown, options?: CallOptions) => Promise<unknown>;

/**
 * Returns a function that creates refs of one contract. They share one object of getters without a prototype, so that a
 * ref has exactly the methods of its contract, costs two fields, and its methods can be detached.
 */
export function refFactory(
  { name: actor, service }: ActorId,
  methods: Methods,
): (caller: Caller, key: string) => object {
  const getters = Object.create(null) as object;
  for (const [name, method] of Object.entries(methods)) {
    const type = messageType(actor, name, method);
    const base = optionsOf(method);
    Object.defineProperty(getters, name, {
      enumerable: true,
      get(this: ActorRef): Call {
        return callOf(this, type, method, base);
      },
    });
  }
  Object.defineProperty(getters, Symbol.toStringTag, { value: `Ref ${actor}` });
  Object.freeze(getters);
  return (caller, key) => {
    const ref = Object.create(getters) as ActorRef;
    ref[CALLER] = service === undefined ? caller : callerOf(caller, service);
    ref[KEY] = key;
    return ref;
  };
}

/** @throws INVALID_OPTION */
export function callerOf(caller: Caller, service: string): Caller {
  if (caller.service !== undefined) return caller.service(service);
  throw invalidOption('ref', 'the caller', undefined, `one that reaches other services, such as ${service}`);
}

const CALLER = Symbol('caller');
const KEY = Symbol('key');

interface ActorRef {
  [CALLER]: Caller;
  [KEY]: string;
}

/** What a method says of each of its calls: one object for all calls without options, as the hot path has most of them. */
function optionsOf(method: AnyMethod): CallOptions | undefined {
  const isIdempotent = method.kind === 'request' && method.isIdempotent;
  if (!isIdempotent && !method.isCritical) return undefined;
  return Object.freeze({
    ...(isIdempotent && { idempotent: true }),
    ...(method.isCritical && { critical: true }),
  });
}

/** The call's own options win. */
function merged(base: CallOptions, own: CallOptions | undefined): CallOptions {
  if (own === undefined) return base;
  // The client refuses options that are not an object.
  if (typeof (own as unknown) !== 'object' || (own as unknown) === null) return own;
  const { idempotent = base.idempotent, critical = base.critical } = own;
  return { ...own, idempotent, critical };
}

function callOf(ref: ActorRef, type: string, method: AnyMethod, base: CallOptions | undefined): Call {
  const { [CALLER]: caller, [KEY]: key } = ref;
  if (method.kind === 'notify') {
    return base === undefined
      ? (input, options) => caller.notifyKey(key, type, input, options)
      : (input, options) => caller.notifyKey(key, type, input, merged(base, options));
  }
  return base === undefined
    ? (input, options) => caller.requestKey(key, type, input, options)
    : (input, options) => caller.requestKey(key, type, input, merged(base, options));
}
