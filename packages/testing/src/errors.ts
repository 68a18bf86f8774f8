/** Errors that only this package throws; all others are a ClstrError. */

/** A line of a recorded history that no recorder can have written. */
export class MalformedHistoryError extends Error {
  /** The line number, from 1. */
  readonly line: number;
  readonly problem: string;

  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
    this.name = 'MalformedHistoryError';
    this.line = line;
    this.problem = problem;
  }
}
