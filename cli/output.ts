import type { Writable } from 'node:stream';
import { truncate } from './text/width.ts';

const STYLES = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33', cyan: '36' } as const;
export type Style = keyof typeof STYLES;

type Environment = Readonly<Record<string, string | undefined>>;
type MaybeTerminal = Writable & { isTTY?: boolean; columns?: number | undefined };

/** From the cursor to the end of the line. */
const ERASE_LINE = '\u001b[K';

/** Width of a terminal that does not tell its own. */
const DEFAULT_WIDTH = 80;

/**
 * One of the two streams that a command writes to: results go to standard output, progress and notes to standard error.
 *
 * Colours: `NO_COLOR` (not empty) switches them off, `FORCE_COLOR` (not `0`) on; otherwise terminals have them, pipes and
 * files do not. A reader that went away (`EPIPE`, as with `| head`) is no error: what is written then is dropped.
 */
export class Output {
  readonly stream: Writable;
  /** A terminal whose lines can be overwritten. */
  readonly isLive: boolean;
  readonly hasColours: boolean;
  private readerGone = false;
  private status = '';

  constructor(stream: MaybeTerminal, environment: Environment) {
    this.stream = stream;
    this.isLive = stream.isTTY === true && environment['TERM'] !== 'dumb';
    this.hasColours = wantsColours(this.isLive, environment);
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.readerGone = true;
    });
  }

  /** Columns of the terminal; unlimited where the reader is a program. */
  get width(): number {
    if (!this.isLive) return Number.POSITIVE_INFINITY;
    return (this.stream as MaybeTerminal).columns || DEFAULT_WIDTH;
  }

  /** True once nobody reads any more. */
  get isClosed(): boolean {
    return this.readerGone || this.stream.destroyed;
  }

  paint(style: Style, text: string): string {
    return this.hasColours ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text;
  }

  line(text = ''): void {
    if (this.isClosed) return;
    this.stream.write(this.status === '' ? `${text}\n` : `\r${ERASE_LINE}${text}\n${this.status}`);
  }

  /** Keeps one line at the bottom of a live terminal, over what it said before; elsewhere nothing. Empty: takes it away. */
  setStatus(text: string): void {
    if (!this.isLive || this.isClosed || text === this.status) return;
    this.status = text === '' ? '' : truncate(text, this.width - 1);
    this.stream.write(`\r${this.status}${ERASE_LINE}`);
  }

  /** Writes at the reader's pace. */
  async write(text: string): Promise<void> {
    if (this.isClosed || this.stream.write(text)) return;
    await new Promise<void>((resolve) => {
      const events = ['drain', 'close', 'error'] as const;
      const done = (): void => {
        for (const event of events) this.stream.off(event, done);
        resolve();
      };
      for (const event of events) this.stream.on(event, done);
    });
  }
}

function wantsColours(isLive: boolean, { NO_COLOR, FORCE_COLOR }: Environment): boolean {
  if (NO_COLOR) return false;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return isLive;
}
