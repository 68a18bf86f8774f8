/** The contract of an actor: its name and methods. Clients import contracts, so nothing here may pull in the host. */
import type { Resolved, Spec } from '@clstr/core/internal';
import { invalidOption, resolve, serviceOption } from '@clstr/core/internal';
import type { AnyDurable, DurableImplementation } from './durability.ts';
import type { Actor, Implementation } from './implementation.ts';
import { checkImplementation } from './implementation.ts';
import { describing } from './calls.ts';
import type { Calls } from './calls.ts';
import { checkErrorCodes } from './declared-errors.ts';
import type { AnyMethod, Methods } from './method.ts';
import { messageType } from './method.ts';
import type { Ref, Referable } from './ref.ts';
import { refFactory } from './ref.ts';
import type { Travelling } from './travels.ts';

export interface ContractOptions {
  /**
   * The service whose nodes run the actor, of 1 to 32 of `A-Z a-z 0-9 -`; its callers reach it from any service of the
   * cluster. Default: the service of the app that runs or calls it.
   */
  service?: string | undefined;
}

export const contractSpec: Spec<Resolved<ContractOptions, 'service'>> = { service: serviceOption };

export interface Contract<Name extends string, M extends Methods> extends Referable<M> {
  readonly name: Name;
  readonly methods: M;
  /**
   * Returns the methods of one actor as data: `client.requestMany` takes a list of what they return, for one actor or for
   * many, and the type of each result is known.
   */
  call(key: string): Calls<M>;
  /**
   * Combines the contract with the code that runs on nodes, as data for `actorHandler`. With `durable` the state of a key
   * outlives its process.
   * @throws INVALID_OPTION when a handler is missing, or the contract has no method for one.
   */
  implement<State, Kit, Services = unknown>(
    implementation: DurableImplementation<M, State, Kit, Services>,
  ): Actor<State, Services>;
  implement<State, Services = unknown>(
    implementation: Implementation<M, State, Services>,
  ): Actor<State, Services>;
}

/**
 * Describes an actor. On the wire its methods are `<name>.<method>`, unless they name a `type` of their own. Inputs and
 * outputs that cannot travel do not type-check: docs/reference/values.md lists those that can.
 * @throws INVALID_OPTION for an invalid name of the actor, of a method, of an error or of the service.
 */
export function defineActor<const Name extends string, M extends Methods>(
  name: Name,
  methods: M & Travelling<M>,
  options: ContractOptions = {},
): Contract<Name, M> {
  const owner = 'defineActor';
  if (typeof name !== 'string' || !ACTOR_NAME.test(name)) {
    throw invalidOption(
      owner,
      'name',
      name,
      'a letter, then letters, digits, _ and -, 64 at most, not "clstr"',
    );
  }
  const given: unknown = methods;
  if (typeof given !== 'object' || given === null || Object.keys(given).length === 0) {
    throw invalidOption(owner, 'methods', methods, 'an object with at least one method');
  }
  const table = Object.create(null) as Record<string, AnyMethod>;
  for (const method of Object.keys(methods)) {
    checkMethodName(name, method);
    table[method] = checkMethod(name, method, methods[method]);
    checkErrorCodes(name, method, table[method].errors);
  }
  checkTypes(name, table);
  Object.freeze(table);
  const { service } = resolve(`actor ${name}`, contractSpec, options);
  const toRef = refFactory({ name, service }, table);
  const toCalls = refFactory({ name, service: undefined }, table);
  const describer = describing(service);
  const contract: Contract<Name, M> = {
    name,
    service,
    methods: table as M,
    ref: (caller, key) => toRef(caller, key) as Ref<M>,
    call: (key) => toCalls(describer, key) as Calls<M>,
    implement: <State, Services>(
      given: Implementation<M, State, Services> | AnyDurable<M, State, Services>,
    ) => checkImplementation(contract, given),
  };
  return Object.freeze(contract);
}

/** Excludes `clstr`, because message types that start with `clstr.` belong to the framework. */
const ACTOR_NAME = /^(?!clstr$)[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const METHOD_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** A name that every object has would be found without a declaration; `then` would make a ref look like a promise. */
function checkMethodName(actor: string, method: string): void {
  if (METHOD_NAME.test(method) && method !== 'then' && !(method in Object.prototype)) return;
  const expected = 'a letter, then letters, digits and _, not "then" or a name that every object has';
  throw invalidOption(`actor ${actor}`, 'the name of a method', method, expected);
}

function checkTypes(actor: string, methods: Methods): void {
  const byType = new Map<string, string>();
  for (const [name, method] of Object.entries(methods)) {
    const type = messageType(actor, name, method);
    const other = byType.get(type);
    if (other !== undefined) {
      throw invalidOption(
        `actor ${actor}`,
        `the type of method ${name}`,
        type,
        `different from that of ${other}`,
      );
    }
    byType.set(type, name);
  }
}

function checkMethod(actor: string, name: string, method: unknown): AnyMethod {
  const { kind } = (method ?? {}) as Partial<AnyMethod>;
  if (kind === 'request' || kind === 'notify') return method as AnyMethod;
  throw invalidOption(`actor ${actor}`, `method ${name}`, method, 'made by request() or notify()');
}
