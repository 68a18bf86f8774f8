/** What the actor host reports; a metrics package turns it into series. */
export interface ActorMetrics {
  /** How many actors of a type are in memory. */
  active(actor: string, count: number): void;
  /** Code of an actor that runs for no caller failed. */
  panicked(actor: string): void;
}

const ignore = (): void => {};

export const noActorMetrics: ActorMetrics = { active: ignore, panicked: ignore };
