/** The logger of a part that is created before its owner can give it one. */
import type { Logger } from './logger.ts';
import { silentLogger } from './logger.ts';

/** Silent until {@link LateLogger.use} is called. */
export class LateLogger implements Logger {
  #logger: Logger = silentLogger;

  use(logger: Logger): void {
    this.#logger = logger;
  }

  debug(fields: object, message?: string): void {
    this.#logger.debug(fields, message);
  }

  info(fields: object, message?: string): void {
    this.#logger.info(fields, message);
  }

  warn(fields: object, message?: string): void {
    this.#logger.warn(fields, message);
  }

  error(fields: object, message?: string): void {
    this.#logger.error(fields, message);
  }
}
