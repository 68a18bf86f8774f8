/** The progress of the load: a bar on a terminal, elsewhere a line per quarter. */
import { Presets, SingleBar } from 'cli-progress';
import { whole } from './report.ts';

export interface Progress {
  update(done: number): void;
  stop(): void;
}

export function startProgress(total: number, output: NodeJS.WriteStream): Progress {
  return output.isTTY ? startBar(total, output) : startLines(total, output);
}

function startBar(total: number, output: NodeJS.WriteStream): Progress {
  const bar = new SingleBar(
    {
      stream: output,
      format: '{bar} {percentage} % | {value} of {total} requests | {duration_formatted}',
      formatValue: (value, _options, type) =>
        type === 'value' || type === 'total' ? whole(value) : `${value}`,
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  bar.start(total, 0);
  return {
    update: (done) => bar.update(done),
    stop: () => bar.stop(),
  };
}

function startLines(total: number, output: NodeJS.WriteStream): Progress {
  let quarters = 0;
  return {
    update(done) {
      if (done * 4 < (quarters + 1) * total) return;
      quarters = Math.floor((done * 4) / total);
      output.write(`${whole(done)} of ${whole(total)} requests\n`);
    },
    stop: () => undefined,
  };
}
