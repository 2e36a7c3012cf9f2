import type { Output } from '../output.ts';
import { bar } from './figures.ts';

const BAR_WIDTH = 24;
/** A terminal narrower than this has figures without a bar. */
const ROOM_FOR_BAR = 100;

export interface DisplayOptions {
  /** Least time between two lines where lines cannot be overwritten, ms. Default: 5,000. */
  readonly everyMs?: number;
  readonly now?: () => number;
}

/** Shows what changes: one line that is overwritten on a terminal, a line every few seconds elsewhere. */
export interface Display {
  /** @param fraction 0 to 1; undefined while nothing can be said */
  show(line: string, fraction: number | undefined): void;
  /** Takes the line away. */
  end(): void;
}

export function createDisplay(notes: Output, { everyMs = 5000, now = Date.now }: DisplayOptions = {}): Display {
  let nextAt = now() + everyMs;
  let last = '';
  return {
    show(line, fraction) {
      if (notes.isLive) {
        const drawn = notes.width < ROOM_FOR_BAR ? '' : bar(fraction, BAR_WIDTH);
        return notes.setStatus(drawn === '' ? line : `${drawn}  ${line}`);
      }
      if (now() < nextAt || line === last) return;
      nextAt = now() + everyMs;
      last = line;
      notes.line(line);
    },
    end: () => notes.setStatus(''),
  };
}
