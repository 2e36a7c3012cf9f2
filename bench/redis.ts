import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createClient } from '@redis/client';
import { freePort } from '../embedded/index.ts';
import { findRedisProgram } from '../embedded/redis-program.ts';
import { until } from './rig.ts';

/** A place where a Redis server is, or will be. */
export interface RedisPlace {
  readonly url: string;
  /** Starts it, empty, with nothing on disk; ends with this process at the latest. */
  start(): Promise<RunningRedis>;
}

export interface RunningRedis {
  length(list: string): Promise<number>;
  /** Items of a list in the order in which a consumer would take them, some at a time. */
  items(list: string): AsyncIterable<string>;
  stop(): Promise<void>;
}

/**
 * A place for a Redis of our own: a benchmark shares it with nobody.
 * @throws where neither `redis-server` nor `valkey-server` is on the path
 */
export async function redisPlace(): Promise<RedisPlace> {
  const program = findRedisProgram();
  if (program === undefined) throw new Error('This needs redis-server or valkey-server on the path: install one');
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  return { url, start: () => startRedis(program, port, url) };
}

async function startRedis(program: string, port: number, url: string): Promise<RunningRedis> {
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn(program, args, { stdio: 'ignore' });
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  const gone = once(child, 'exit');
  const client = createClient({ url, socket: { reconnectStrategy: 50 } });
  client.on('error', () => undefined);
  await client.connect();
  await until(async () => (client.isReady ? true : undefined), 20);
  return {
    length: (list) => client.lLen(list),
    async *items(list) {
      const STRETCH = 500;
      for (let end = -1; ; end -= STRETCH) {
        const items = await client.lRange(list, end - STRETCH + 1, end);
        yield* items.reverse();
        if (items.length < STRETCH) return;
      }
    },
    async stop() {
      client.destroy();
      process.off('exit', end);
      end();
      await gone;
    },
  };
}
