import type { Readable } from 'node:stream';
import { EXIT } from './exit-codes.ts';
import { listenForInterrupts, type Interrupts } from './interrupts.ts';
import { Output } from './output.ts';

/** What a command has of the world around it: the composition root makes one of the process, tests make others. */
export interface Cli {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable & { isTTY?: boolean };
  /** Results, on standard output. */
  readonly out: Output;
  /** Progress, notes and errors, on standard error. */
  readonly notes: Output;
  readonly interrupts: Interrupts;
  /** How a command ended that did not throw: see `exit-codes.ts`. */
  exitCode: number;
}

export function cliOfProcess(): Cli {
  return {
    env: process.env,
    stdin: process.stdin,
    out: new Output(process.stdout, process.env),
    notes: new Output(process.stderr, process.env),
    interrupts: listenForInterrupts({ source: process, exit: (code) => process.exit(code) }),
    exitCode: EXIT.ok,
  };
}
