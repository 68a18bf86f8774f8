/** Shows the current part in one line that rewrites itself on a terminal, and prints nothing elsewhere. */
import { clearLine, cursorTo } from 'node:readline';

export function showProgress(text: string): void {
  const terminal = process.stderr;
  if (!terminal.isTTY) return;
  cursorTo(terminal, 0);
  clearLine(terminal, 0);
  terminal.write(text);
}
