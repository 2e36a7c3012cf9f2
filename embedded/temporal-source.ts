/** What a way to a fresh Temporal CLI is given. */
export interface SourceOptions {
  /** A folder of its own, for whatever it needs; it is removed afterwards. */
  folder: string;
  /** As in `1.8.2`. */
  version: string;
  env: NodeJS.ProcessEnv;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/** A way to the CLI that was not open. */
export interface FailedWay {
  way: string;
  why: string;
  remedy: string;
}

/** The remedy where the file that was got is no good. */
export const RUNS_HERE = 'Get a Temporal CLI that runs on this machine by another way.';
