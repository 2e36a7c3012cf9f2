import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { vi } from 'vitest';
import { freePort } from '../../embedded/ports.ts';
import { findRedisProgram } from '../../embedded/redis-program.ts';

const INSTALL = 'apt-get update -q && apt-get install -y -q --no-install-recommends redis-server';

/** What a test needs of a Redis that it shares with nobody, or with whoever else `REDIS_URL` serves. */
export interface AnyRedis {
  readonly url: string;
  stop(): Promise<void>;
}

/** The Redis that `REDIS_URL` names, or one started for this test file. Give lists unique names. */
export async function openTestRedis(): Promise<AnyRedis> {
  const url = process.env['REDIS_URL'];
  return url === undefined ? TestRedis.start() : { url, stop: async () => undefined };
}

/** A Redis server of a test's own, durable in a folder of its own, so that it can be killed and started again. */
export class TestRedis {
  readonly port: number;
  readonly #program: string;
  readonly #folder: string;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(program: string, folder: string, port: number, args: readonly string[]) {
    this.#program = program;
    this.#folder = folder;
    this.port = port;
    this.#args = args;
  }

  /**
   * Finds a server program, installs one where that is possible, and starts it on a free port.
   * @param args of `redis-server`, after ours; `PORT` in them is the port
   */
  static async start(...args: readonly string[]): Promise<TestRedis> {
    const program = await findProgram();
    const folder = await mkdtemp(join(tmpdir(), 'outhaul-redis-'));
    const redis = new TestRedis(program, folder, await freePort(), args);
    await redis.up();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it after `kill`. */
  async up(): Promise<void> {
    const ours = ['--port', 'PORT', '--bind', '127.0.0.1', '--dir', this.#folder, '--save', ''];
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always'];
    const args = [...ours, ...durable, ...this.#args].map((arg) => (arg === 'PORT' ? `${this.port}` : arg));
    this.#process = spawn(this.#program, args, { stdio: 'ignore' });
    await vi.waitFor(() => reach(this.port), { timeout: 30_000, interval: 20 });
  }

  /** A signal to its process; `SIGKILL` is waited for. */
  async signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const child = this.#process;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(name);
    if (name === 'SIGKILL') await gone;
  }

  async stop(): Promise<void> {
    await this.signal('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function reach(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect').finally(() => socket.destroy());
}

/** A server that is installed, or that can be. Says so before it installs anything. */
async function findProgram(): Promise<string> {
  const found = findRedisProgram();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    throw new Error(
      'The tests need a Redis server: set REDIS_URL, or install redis-server or valkey-server ' +
        '(Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis; Fedora: dnf install valkey)',
    );
  }
  process.stderr.write(`No redis-server here. Installing it: ${INSTALL}\n`);
  // One test file at a time; the others find it installed. RUNLEVEL keeps the package from starting a server of its own.
  const install = `command -v redis-server || { ${INSTALL}; }`;
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  await promisify(execFile)('flock', [join(tmpdir(), 'outhaul-test-redis.lock'), 'sh', '-c', install], {
    env: environment,
    timeout: 300_000,
    maxBuffer: 16 * 1024 * 1024,
  });
  return findRedisProgram() ?? 'redis-server';
}
