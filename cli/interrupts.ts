import { constants } from 'node:os';
import { CommandError } from './errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type InterruptSignal = (typeof SIGNALS)[number];

/** The command was told to end before it was done. */
export class Interrupted extends CommandError {
  override readonly name = 'Interrupted';
  readonly signal: InterruptSignal;
  constructor(signal: InterruptSignal) {
    super(signal === 'SIGINT' ? 'Interrupted' : `Ended by ${signal}`, { exitCode: exitCodeOf(signal) });
    this.signal = signal;
  }
}

const exitCodeOf = (signal: InterruptSignal): number => 128 + constants.signals[signal];

/** One Ctrl-C arrives twice where npm stands between: from the terminal, and passed on by npm. */
const ECHO_MS = 500;

/**
 * How a process is told to end: the first Ctrl-C (SIGINT), SIGTERM or SIGHUP asks it to end in order, a second one ends
 * it at once.
 */
export interface Interrupts {
  /** Aborts at the first signal, with an `Interrupted` as its reason. */
  readonly signal: AbortSignal;
  /**
   * What is done, synchronously, before the process ends at the second signal: what was said last comes first, so that who
   * writes into a folder is gone before the folder is removed. What fails keeps nothing else from being done.
   */
  atOnce(action: () => void): void;
  /** Goes back to what Node does by itself. */
  dispose(): void;
}

export interface InterruptOptions {
  readonly source: NodeJS.EventEmitter;
  /** Ends the process. */
  readonly exit: (code: number) => void;
  /** Milliseconds on a clock that only goes forward. */
  readonly now?: () => number;
}

export function listenForInterrupts({ source, exit, now = () => performance.now() }: InterruptOptions): Interrupts {
  const controller = new AbortController();
  let firstAt = 0;
  const actions: (() => void)[] = [];
  const listeners = SIGNALS.map((signal) => {
    const listener = (): void => {
      if (!controller.signal.aborted) {
        firstAt = now();
        return controller.abort(new Interrupted(signal));
      }
      if (now() - firstAt < ECHO_MS) return;
      for (const action of actions.splice(0).reverse()) attempt(action);
      exit(exitCodeOf(signal));
    };
    source.on(signal, listener);
    return { signal, listener };
  });
  return {
    signal: controller.signal,
    atOnce: (action) => void actions.push(action),
    dispose() {
      for (const { signal, listener } of listeners) source.off(signal, listener);
    },
  };
}

/** At the end of a process nobody is left to be told of a failure. */
function attempt(action: () => void): void {
  try {
    action();
  } catch {
    return;
  }
}

/** Resolves when the signal aborts. Never rejects. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
