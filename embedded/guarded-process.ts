import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedServiceError } from './errors.ts';
import type { StopSteps } from './leftover.ts';

/**
 * A child process that does not outlive us.
 *
 * It runs in a session of its own, so that a terminal's Ctrl-C reaches only our process, which then stops its services in
 * order. Beside it runs a small shell, the guard, that reads a pipe whose other end only we hold. It hears the service's
 * pid, then either a word that the service is gone or, when we were killed, the end of the pipe; then it stops the service.
 */
const GUARD = `
trap '' HUP INT TERM
read -r target || exit
read -r released && exit
kill -s "$1" -- "$target"
second=0
while [ $second -lt "$2" ]; do
  sleep 1
  kill -s 0 -- "$target" || exit
  second=$((second + 1))
done
kill -s KILL -- "$target"
`;

export interface GuardedOptions {
  command: string;
  args: readonly string[];
  cwd?: string;
  env: NodeJS.ProcessEnv;
  /** Where standard output and error go: a file descriptor, or `pipe` to read both from `output`. */
  output: number | 'pipe';
  /** The signal that asks the service to stop, when we are gone. Default SIGTERM. */
  stopSignal?: 'SIGTERM' | 'SIGINT';
  /** How long it may take to stop then, before SIGKILL. Default 20. */
  graceSeconds?: number;
  /** Signals go to the whole process group, and what is left of it ends with the command. Default false. */
  group?: boolean;
  /** The user to run as, where that is not ours. */
  user?: { uid: number; gid: number } | undefined;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface GuardedProcess {
  readonly pid: number;
  /** Standard output and error, where `output` was `pipe`. */
  readonly output: readonly Readable[];
  /** Resolves when the process is gone. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Sends a signal now; nothing happens where the process is gone. */
  kill: (signal: NodeJS.Signals) => void;
  /** Sends each signal in turn, waiting its milliseconds before the next; resolves when the process is gone. */
  stop: (steps: StopSteps) => Promise<Exit>;
}

/** Starts a guarded process. Throws where the command cannot be started at all. */
export async function spawnGuarded(options: GuardedOptions): Promise<GuardedProcess> {
  if (process.platform === 'win32') {
    throw new EmbeddedServiceError('Embedded services run on Linux and macOS. On Windows use WSL or Docker.');
  }
  const guard = await startGuard(options);
  const child = spawn(options.command, options.args, {
    stdio: ['ignore', options.output, options.output],
    detached: true,
    env: options.env,
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.user && { uid: options.user.uid, gid: options.user.gid }),
  });
  if (child.pid === undefined) {
    guard.end();
    return new Promise((_, reject) => child.once('error', reject));
  }
  const { pid } = child;
  const target = options.group ? -pid : pid;
  guard.write(`${target}\n`);

  let gone = false;
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      gone = true;
      if (options.group) send(target, 'SIGKILL');
      guard.end('released\n');
      resolve({ code, signal });
    });
  });
  const kill = (signal: NodeJS.Signals): void => {
    if (!gone) send(target, signal);
  };

  return {
    pid,
    output: [child.stdout, child.stderr].filter((stream) => stream !== null),
    exited,
    kill,
    async stop(steps) {
      for (const [signal, milliseconds] of steps) {
        kill(signal);
        if (await endsWithin(exited, milliseconds)) break;
      }
      return exited;
    },
  };
}

/** Starts the shell that will stop the service when the pipe that is returned ends without a word. */
async function startGuard({ stopSignal = 'SIGTERM', graceSeconds = 20 }: GuardedOptions): Promise<Writable> {
  const signalName = stopSignal.slice('SIG'.length);
  const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', signalName, String(graceSeconds)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: { PATH: process.env['PATH'] },
  });
  guard.stdin.on('error', () => undefined);
  await once(guard, 'spawn');
  return guard.stdin;
}

/** As process.kill, where the process may be gone. */
export function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function endsWithin(exited: Promise<Exit>, milliseconds: number): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      exited.then(() => true),
      delay(milliseconds, false, { signal: timer.signal, ref: true }).catch(() => false),
    ]);
  } finally {
    timer.abort();
  }
}
