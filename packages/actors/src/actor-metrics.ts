/** The metrics of the actor host; a metrics package turns them into series. */
export interface ActorMetrics {
  /** Reports how many actors of a type are in memory. */
  active(actor: string, count: number): void;
  /** Counts a failure of actor code that runs without a caller. */
  panicked(actor: string): void;
}

const ignore = (): void => {};

export const noActorMetrics: ActorMetrics = { active: ignore, panicked: ignore };
