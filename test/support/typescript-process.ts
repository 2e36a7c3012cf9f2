import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';

const hooks = fileURLToPath(new URL('typescript.js', import.meta.url));

/** A source file that runs in a process of its own. */
export interface TypescriptProcess {
  readonly out: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Resolves when standard output says it; rejects when the process ends before. */
  readonly says: (text: string) => Promise<void>;
  /** What it wrote to standard output, when it has ended by itself and without an error. */
  readonly answer: () => Promise<string>;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** `before`: a command, and its arguments, that starts what follows it. */
export function startTypescript(
  file: URL,
  args: readonly string[],
  { before = [] }: { readonly before?: readonly string[] } = {},
): TypescriptProcess {
  const [command = '', ...rest] = [...before, process.execPath, '--import', hooks, fileURLToPath(file), ...args];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  let isOver = false;
  const ended = once(child, 'close').then(([code, signal]) => {
    isOver = true;
    return (code as number | null) ?? (signal as NodeJS.Signals);
  });
  return {
    out: () => out,
    kill: (signal) => void child.kill(signal),
    ended,
    async says(text) {
      await vi.waitUntil(() => out.includes(text) || isOver, { timeout: 60_000, interval: 10 });
      if (!out.includes(text)) throw new Error(`The process ended without saying "${text}":\n${out}${errors}`);
    },
    async answer() {
      if ((await ended) !== 0) throw new Error(`The process failed:\n${out}${errors}`);
      return out;
    },
  };
}
