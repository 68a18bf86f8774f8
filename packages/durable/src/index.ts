/** Actors that remember: their state outlives its process, in a store. */
export { durableState } from './durable-state.ts';
export type { DurableStateKit, DurableStateOptions } from './durable-state.ts';
export { eventSourced } from './event-sourced.ts';
export type {
  EventReducer,
  EventSourcedKit,
  EventSourcedOptions,
  EventTable,
  VersionedEvent,
} from './event-sourced.ts';
