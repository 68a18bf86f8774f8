/** Errors that only this package throws; all others are a ClstrError. */

/** A line of a recorded history that cannot be what a recorder wrote. */
export class MalformedHistoryError extends Error {
  /** From 1. */
  readonly line: number;
  readonly problem: string;

  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
    this.name = 'MalformedHistoryError';
    this.line = line;
    this.problem = problem;
  }
}
