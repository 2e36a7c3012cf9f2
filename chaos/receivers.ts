import { once } from 'node:events';
import { mkdir, open, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Service } from '../cli/stack/service.ts';
import type { DataFolder } from '../embedded/data-folder.ts';
import { spawnGuarded } from '../embedded/guarded-process.ts';
import { freePort } from '../embedded/index.ts';
import { pause } from '../embedded/pause.ts';
import { findRedisProgram } from '../embedded/redis-program.ts';
import { openProxy, type Proxy } from './proxy.ts';
import type { Receipt, ReceiverOptions } from './receiver-process.ts';
import { Subject } from './subject.ts';

/** Where mail is handed on to: a Redis, a utility that is a batch receiver as well, and a folder. */
export interface Receivers {
  readonly redis: Subject;
  readonly utility: Subject;
  /** The network that leads to them; what is sent goes through it. */
  readonly lines: { readonly redis: Proxy; readonly utility: Proxy };
  /** Past that network. */
  readonly redisUrl: string;
  readonly folder: string;
  /** From now on the utility takes everything. */
  calm(): Promise<void>;
  /** What the utility has taken, in the order in which it came. */
  receipts(): Promise<Receipt[]>;
  close(): Promise<void>;
  end(): void;
}

export interface ReceiversOptions {
  readonly folder: DataFolder;
  readonly env: NodeJS.ProcessEnv;
  readonly seed: number;
  readonly say: (line: string) => void;
}

const FAULT_RATE = 0.03;
const READY_MS = 60_000;
const LOOK_EVERY_MS = 50;
const STEPS = [
  ['SIGTERM', 5_000],
  ['SIGKILL', 5_000],
] as const;

/** @throws where no Redis server is installed */
export async function openReceivers({ folder, env, seed, say }: ReceiversOptions): Promise<Receivers> {
  const program = findRedisProgram(env);
  if (program === undefined) throw new Error('This needs redis-server or valkey-server on the path: install one');
  const [redisPort, utilityPort] = [await freePort(), await freePort()];
  const file = folder.path('receipts.ndjson');
  const place = folder.path('redis');
  for (const made of [place, folder.path('logs')]) await mkdir(made, { recursive: true });
  const durable = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always', '--dir', place];
  const redisArgs = ['--port', `${redisPort}`, '--bind', '127.0.0.1', ...durable];
  const options: ReceiverOptions = { port: utilityPort, file, faultRate: FAULT_RATE, seed };
  const script = fileURLToPath(new URL('./receiver-process.js', import.meta.url));
  const utilityArgs = [script, JSON.stringify(options)];
  const redis = new Subject({
    name: 'Redis',
    start: () => startProcess(program, redisArgs, redisPort, { env, logFile: folder.path('logs/redis.log') }),
    say,
  });
  const utility = new Subject({
    name: 'the utility',
    start: () =>
      startProcess(process.execPath, utilityArgs, utilityPort, { env, logFile: folder.path('logs/utility.log') }),
    say,
  });
  await Promise.all([redis.start(), utility.start()]);
  const lines = {
    redis: await openProxy({ upstreamPort: () => redisPort }),
    utility: await openProxy({ upstreamPort: () => utilityPort }),
  };
  return {
    ...{ redis, utility, lines, folder: folder.path('attachments') },
    redisUrl: `redis://127.0.0.1:${redisPort}`,
    async calm() {
      await fetch(`http://127.0.0.1:${utilityPort}/calm`, { method: 'POST' });
    },
    receipts: async () => receiptsIn(await readFile(file, 'utf8').catch(() => '')),
    async close() {
      await Promise.all([redis.stop(), utility.stop(), lines.redis.close(), lines.utility.close()]);
    },
    end() {
      for (const subject of [redis, utility]) subject.end();
    },
  };
}

/** A line that was being written when its writer was killed was answered to nobody. */
const receiptsIn = (text: string): Receipt[] =>
  text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Receipt];
    } catch {
      return [];
    }
  });

async function startProcess(
  command: string,
  args: readonly string[],
  port: number,
  { env, logFile }: { readonly env: NodeJS.ProcessEnv; readonly logFile: string },
): Promise<Service> {
  const log = await open(logFile, 'a');
  const child = await spawnGuarded({ command, args, env, output: log.fd }).finally(() => log.close());
  const stop = async (): Promise<void> => void (await child.stop(STEPS));
  for (const givenUpAt = Date.now() + READY_MS; !(await answers(port)); await pause(LOOK_EVERY_MS)) {
    if (Date.now() < givenUpAt) continue;
    await stop();
    throw new Error(`${command} did not start; its log is ${logFile}`);
  }
  return { pid: child.pid, exited: child.exited, kill: child.kill, stop };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return once(socket, 'connect')
    .then(
      () => true,
      () => false,
    )
    .finally(() => socket.destroy());
}
