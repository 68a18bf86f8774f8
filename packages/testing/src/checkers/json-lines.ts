/** Cuts a stream of text into lines of JSON. */
import type { Socket } from 'node:net';

/** The longest valid line; a longer one ends the connection. */
const MAX_LINE = 65_536;

/** Calls `onValue` for each line that arrives; a line that is too long or is not JSON destroys the socket. */
export function readJsonLines(socket: Socket, onValue: (value: unknown) => void): void {
  let rest = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    try {
      for (const line of lines) onValue(JSON.parse(line));
    } catch (error) {
      socket.destroy(error as Error);
    }
    if (rest.length > MAX_LINE) socket.destroy(new Error(`a line of more than ${MAX_LINE} characters`));
  });
}

export function writeJsonLine(socket: Socket, value: unknown): void {
  socket.write(`${JSON.stringify(value)}\n`);
}
