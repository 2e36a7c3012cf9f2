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

const LONGEST_WORDS = 300;

/** What a log says last, for a person who wonders: an error with all its lines, else the message of the last entry. */
export function lastWords(log: string): string {
  const lines = log.trimEnd().split('\n');
  const error = lines.findLastIndex((line) => line.startsWith('error: '));
  const words = error === -1 ? messageOf(lines.at(-1) ?? '') : lines.slice(error).join('\n');
  return words.length > LONGEST_WORDS ? `${words.slice(0, LONGEST_WORDS)}…` : words;
}

/** The message of a log entry; the line itself where it is none. */
function messageOf(line: string): string {
  try {
    const { msg } = JSON.parse(line) as { msg?: unknown };
    return typeof msg === 'string' ? msg : line;
  } catch {
    return line;
  }
}

/** `exit code 1`, `SIGKILL` */
export const exitInWords = ({ code, signal }: Exit): string => signal ?? `exit code ${code ?? 'unknown'}`;
