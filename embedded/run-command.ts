import { setTimeout as delay } from 'node:timers/promises';
import { spawnGuarded, type GuardedOptions } from './guarded-process.ts';
import type { StopSteps } from './leftover.ts';

export interface CommandOptions extends Omit<GuardedOptions, 'output' | 'group'> {
  signal?: AbortSignal | undefined;
  /** After which the command is stopped and counts as failed. Default: no limit. */
  timeoutMs?: number;
  /** How it is stopped, with all processes it started. Default: SIGKILL at once. */
  stopSteps?: StopSteps;
}

export interface CommandResult {
  ok: boolean;
  /** The end of standard output and error, at most 16 KB. */
  output: string;
}

const OUTPUT_LIMIT = 16_384;

/** Runs a command to its end. Throws the signal's reason when aborted, and where the command cannot be started. */
export async function runCommand(options: CommandOptions): Promise<CommandResult> {
  const { signal, timeoutMs, stopSteps = [['SIGKILL', 5_000]] } = options;
  signal?.throwIfAborted();
  const command = await spawnGuarded({ ...options, output: 'pipe', group: true });
  let output = '';
  const ends = command.output.map((stream) => {
    stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-OUTPUT_LIMIT)));
    return new Promise((resolve) => stream.once('close', resolve));
  });

  const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const cut = AbortSignal.any([signal, timeout].filter((one) => one !== undefined));
  const stop = (): void => void command.stop(stopSteps);
  cut.addEventListener('abort', stop, { once: true });
  if (cut.aborted) stop();
  const { code } = await command.exited;
  cut.removeEventListener('abort', stop);
  // A process the command left behind may hold its output open.
  await Promise.race([Promise.all(ends), delay(500)]);

  signal?.throwIfAborted();
  if (timeout?.aborted) return { ok: false, output: `${output.trim()}\n(stopped after ${timeoutMs! / 1000} s)`.trim() };
  return { ok: code === 0, output: output.trim() };
}

/** Awaits work that takes long, with a word every 15 seconds. */
export async function withProgress<T>(log: (line: string) => void, doing: string, work: Promise<T>): Promise<T> {
  const begun = Date.now();
  const timer = setInterval(() => log(`${doing} (${Math.round((Date.now() - begun) / 1000)} s)`), 15_000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
