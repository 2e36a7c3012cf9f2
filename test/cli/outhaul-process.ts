import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';

const entry = fileURLToPath(new URL('../../bin/outhaul.js', import.meta.url));
const built = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** `outhaul` as its users start it: the built command, in a process of its own. */
export interface Outhaul {
  readonly pid: number;
  readonly out: () => string;
  readonly notes: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Resolves when standard error says it; rejects when the command ends before. */
  readonly says: (text: string, patienceMs?: number) => Promise<void>;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

export function startOuthaul(args: readonly string[], env: NodeJS.ProcessEnv = {}): Outhaul {
  if (!existsSync(built)) throw new Error('The built command is tested: run `npm run build` first');
  const child = spawn(process.execPath, [entry, ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...ofCache(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, notes] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (notes += chunk.toString()));
  let isOver = false;
  const ended = once(child, 'close').then(([code, signal]) => {
    isOver = true;
    return (code as number | null) ?? (signal as NodeJS.Signals);
  });
  return {
    pid: child.pid ?? 0,
    out: () => out,
    notes: () => notes,
    kill: (signal) => void child.kill(signal),
    ended,
    async says(text, patienceMs = 90_000) {
      const isSaid = (): boolean => notes.includes(text) || out.includes(text);
      await vi.waitUntil(() => isSaid() || isOver, { timeout: patienceMs, interval: 10 });
      if (!isSaid()) throw new Error(`outhaul ended without saying "${text}":\n${notes}${out}`);
    },
  };
}

const ofCache = (): NodeJS.ProcessEnv => {
  const names = ['XDG_CACHE_HOME', 'TEMPORAL_CLI_PATH', 'TMPDIR'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
};

/** Processes whose command line, or where the machine tells it whose working folder, names the text. */
export function processesNaming(text: string): string[] {
  return execFileSync('ps', ['-ww', '-eo', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(text) || workingFolder(Number.parseInt(line, 10)).includes(text));
}

function workingFolder(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}
