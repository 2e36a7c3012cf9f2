import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { spawnGuarded, type Exit, type GuardedProcess } from '../../embedded/guarded-process.ts';
import { openLog } from '../../embedded/log-file.ts';
import { pause } from '../../embedded/pause.ts';
import { CommandError } from '../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { entryFile } from '../version.ts';
import { exitInWords, lastWords, type Service } from './service.ts';

/** Longer than any of our processes takes to hand back its work. */
const GRACE_MS = 25_000;
const READY_MS = 120_000;
const WORD_AFTER_MS = 8000;
const ASK_EVERY_MS = 100;

export interface OuthaulProcessOptions {
  /** As in `The worker`. */
  readonly name: string;
  /** The command and its options, as in `['worker']`. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Where its log goes. */
  readonly logFile: string;
  /** Asked again and again until it is true. */
  readonly isReady: (process: { readonly pid: number; readonly signal: AbortSignal }) => Promise<boolean>;
  /** Told once when it takes longer than a few seconds. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Starts another process of ours, by the program that runs now, and waits until it is ready. It does not outlive us,
 * however we end.
 * @throws {CommandError} when it ends before it is ready, with what it wrote last, or is not ready in two minutes
 */
export async function startOuthaulProcess(options: OuthaulProcessOptions): Promise<Service> {
  const { name, args, env, logFile, signal } = options;
  signal.throwIfAborted();
  await mkdir(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = await openLog(logFile);
  const child = await spawnGuarded({
    command: process.execPath,
    args: [entryFile(), ...args],
    env,
    output: log.handle.fd,
  }).finally(() => log.handle.close());
  const stop = async (): Promise<void> => {
    await child.stop([
      ['SIGTERM', GRACE_MS],
      ['SIGKILL', 5000],
    ]);
  };
  try {
    const exit = await untilReady(options, { ...child, lastLines: log.lastLines });
    if (exit) {
      const words = lastWords(await log.lastLines());
      throw new CommandError(`${name} ended at its start (${exitInWords(exit)}).\n${words}`, {
        advice: `Its log is ${logFile}.`,
        exitCode: exit.code === EXIT.usage ? EXIT.usage : EXIT.failure,
      });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid, exited: child.exited, stop, kill: child.kill, lastLines: log.lastLines };
}

/** Resolves when the process is ready, or with its exit where that comes first. */
async function untilReady(
  { name, isReady, logFile, say, signal }: OuthaulProcessOptions,
  { pid, exited, lastLines }: Pick<GuardedProcess, 'pid' | 'exited'> & { readonly lastLines: () => Promise<string> },
): Promise<Exit | undefined> {
  const startedAt = Date.now();
  let isTold = false;
  const ended = new AbortController();
  const exit = exited.then((how) => {
    ended.abort();
    return how;
  });
  const either = AbortSignal.any([signal, ended.signal]);
  while (!ended.signal.aborted) {
    const ready = await isReady({ pid, signal: either }).catch(() => false);
    signal.throwIfAborted();
    if (ready) return undefined;
    if (!isTold && Date.now() - startedAt > WORD_AFTER_MS) {
      isTold = true;
      say(`${name} is not ready yet. It says: ${lastWords(await lastLines())}`);
    }
    if (Date.now() - startedAt > READY_MS) {
      throw new CommandError(`${name} is not ready after ${READY_MS / 1000} s`, {
        advice: `Its log is ${logFile}.`,
        exitCode: EXIT.machine,
      });
    }
    await pause(ASK_EVERY_MS, either).catch(() => signal.throwIfAborted());
  }
  return exit;
}

/** For a process that is ready once something, whatever it is, answers at a URL. */
export const answersAt =
  (url: string): OuthaulProcessOptions['isReady'] =>
  async ({ signal }) => {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(5000)]) });
    await response.body?.cancel();
    return true;
  };
