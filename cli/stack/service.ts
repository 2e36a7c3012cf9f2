import type { Exit } from '../../embedded/guarded-process.ts';

/** Something of ours that runs in a process of its own. */
export interface Service {
  readonly pid: number;
  /** Resolves when the process is gone, whoever ended it. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends it in order. */
  readonly stop: () => Promise<void>;
  /** The last lines of its log. */
  readonly lastLines?: () => Promise<string>;
  /** Sends its process a signal. */
  readonly kill: (signal: NodeJS.Signals) => void;
}

/** What a service said last, for a person who wonders why it ended; empty where that is not known. */
export async function lastWordsOf({ lastLines }: Service): Promise<string> {
  const lines = (await lastLines?.().catch(() => '')) ?? '';
  const last = lines.trimEnd().split('\n').at(-1) ?? '';
  return last.length > 300 ? `${last.slice(0, 300)}…` : last;
}

/** `exit code 1`, `SIGKILL` */
export const exitInWords = ({ code, signal }: Exit): string => signal ?? `exit code ${code ?? 'unknown'}`;
