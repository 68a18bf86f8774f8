/** A stream for what the demo prints, and what it has printed. */
import { PassThrough } from 'node:stream';

export interface CollectedOutput {
  readonly stream: NodeJS.WriteStream;
  text(): string;
}

export function collectOutput(options: { isTTY?: boolean } = {}): CollectedOutput {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return {
    stream: Object.assign(stream, { isTTY: options.isTTY ?? false, columns: 100 }) as never,
    text: () => Buffer.concat(chunks).toString(),
  };
}
