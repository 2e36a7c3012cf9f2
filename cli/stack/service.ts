import type { Exit } from '../../embedded/guarded-process.ts';

/** Something of ours that runs in a process of its own. */
export interface Service {
  readonly pid: number;
  /** Resolves when the process is gone, whoever ended it. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends it in order. */
  readonly stop: () => Promise<void>;
  /** Sends its process a signal. */
  readonly kill: (signal: NodeJS.Signals) => void;
}

/** `exit code 1`, `SIGKILL` */
export const exitInWords = ({ code, signal }: Exit): string => signal ?? `exit code ${code ?? 'unknown'}`;
