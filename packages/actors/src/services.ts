/** What actors need from outside, such as a database. Each declares it, and every program that runs them has to give it. */

export interface Needs<Services> {
  readonly kind: 'needs';
  /** Types only, never set. */
  readonly '~types'?: Services;
}

/** Declares what the code of an actor gets as `ctx.services`: `implement({ services: needs<{ db: Database }>(), … })`. */
export function needs<Services extends object>(): Needs<Services> {
  return NEEDS;
}

const NEEDS: Needs<never> = Object.freeze({ kind: 'needs' });

/** The services that all of these actors need together; `unknown` if they need none. */
export type ServicesOf<Actors extends readonly { readonly '~needs'?: (services: never) => void }[]> =
  NonNullable<Actors[number]['~needs']> extends (services: infer Services) => void ? Services : never;

/** Makes the option `services` a required one, unless every member of `Services` is optional. */
export type GivenServices<Services> = Partial<Services> extends Services ? unknown : { services: Services };

/** The last argument of a function with an option `services`: it may be left out if that may. */
export type OptionsArgument<Options, Services> =
  Partial<Services> extends Services ? [options?: Options] : [options: Options & { services: Services }];
