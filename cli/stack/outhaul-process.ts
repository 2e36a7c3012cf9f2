import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { spawnGuarded } from '../../embedded/guarded-process.ts';
import { openLog } from '../../embedded/log-file.ts';
import { pause } from '../../embedded/pause.ts';
import { CommandError } from '../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { entryFile } from '../version.ts';
import { exitInWords, type Service } from './service.ts';

/** Longer than any of our processes takes to hand back its work. */
const GRACE_MS = 25_000;
const READY_MS = 120_000;
const ASK_EVERY_MS = 100;

export interface OuthaulProcessOptions {
  /** As in `The worker`. */
  readonly name: string;
  /** The command and its options, as in `['worker']`. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Where its log goes. */
  readonly logFile: string;
  /** A URL that answers (anything) once it is ready. Default: it is taken for ready at once. */
  readonly readyUrl?: string;
  readonly signal: AbortSignal;
}

/**
 * Starts another process of ours, by the program that runs now. It does not outlive us, however we end.
 * @throws {CommandError} when it ends before it is ready, with what it wrote last
 */
export async function startOuthaulProcess(options: OuthaulProcessOptions): Promise<Service> {
  const { name, args, env, logFile, readyUrl, signal } = options;
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
    const exit = readyUrl === undefined ? undefined : await untilAnswers(readyUrl, child.exited, signal);
    if (exit) {
      throw new CommandError(`${name} ended at its start (${exitInWords(exit)}):\n${await log.lastLines()}`, {
        advice: `Its log is ${logFile}.`,
        exitCode: exit.code === EXIT.usage ? EXIT.usage : EXIT.failure,
      });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid, exited: child.exited, stop, kill: child.kill };
}

/** Resolves when something answers at the URL, or with the exit of the process that should. */
async function untilAnswers<Exit>(url: string, exited: Promise<Exit>, signal: AbortSignal): Promise<Exit | undefined> {
  const giveUpAt = Date.now() + READY_MS;
  const ended = new AbortController();
  const exit = exited.then((how) => {
    ended.abort();
    return how;
  });
  const either = AbortSignal.any([signal, ended.signal]);
  while (!ended.signal.aborted) {
    const answered = await fetch(url, { signal: AbortSignal.any([either, AbortSignal.timeout(5000)]) }).then(
      (response) => response.body?.cancel().then(() => true) ?? true,
      () => false,
    );
    signal.throwIfAborted();
    if (answered) return undefined;
    if (Date.now() > giveUpAt) {
      throw new CommandError(`Nothing answers at ${url} after ${READY_MS / 1000} s`, { exitCode: EXIT.machine });
    }
    await pause(ASK_EVERY_MS, either).catch(() => signal.throwIfAborted());
  }
  return exit;
}
