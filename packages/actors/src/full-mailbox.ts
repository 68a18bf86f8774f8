/** Why an actor takes no more messages: the refusals of its mailbox, each of which serves a flood. */
import type { ClstrError } from '@clstr/core';
import type { ActorCore, Job } from './actor-core.ts';
import { actorName } from './actor-name.ts';
import { mailboxFull, turnTooLate } from './errors.ts';
import type { Mailbox } from './mailbox.ts';
import { behind } from './blocker.ts';
import { SharedRefusal } from './shared-refusal.ts';

export class FullMailbox {
  readonly #full = new SharedRefusal();
  readonly #late = new SharedRefusal();

  /** As many messages wait as may. */
  full({ home, key, blocker }: ActorCore): ClstrError {
    const { clock } = home.host;
    const { name, mailbox } = home.actor;
    return this.#full.get(clock, () => mailboxFull(actorName(name, key), mailbox, behind(blocker, clock)));
  }

  /** Those that wait take longer than the message has time for. */
  tooLate({ home, key, blocker }: ActorCore, { size, expectedMs }: Mailbox<Job>): ClstrError {
    const { clock } = home.host;
    const name = actorName(home.actor.name, key);
    return this.#late.get(clock, () => turnTooLate(name, size, expectedMs, behind(blocker, clock)));
  }
}
