import { RedisConnection } from '../destinations/redis-connection.ts';
import { RedisQueue } from '../destinations/redis-queue.ts';
import { DestinationUnavailable } from '../destinations/sender.ts';
import type { Database } from '../store/database.ts';
import { loadDestination, type Destination } from '../store/destinations.ts';
import { UnknownDestination } from '../store/errors.ts';
import { ENVIRONMENT_NAMES } from './environment-destinations.ts';

/** A destination that is a Redis list. */
export type RedisDestination = Extract<Destination, { readonly kind: 'redis_list' }>;

export const isRedis = (destination: Destination): destination is RedisDestination => destination.kind === 'redis_list';

/** The one of an organization's lists that is meant where none is named: that of the environment, else the only one. */
export function usualList(lists: readonly RedisDestination[]): RedisDestination | undefined {
  return lists.find(({ name }) => name === ENVIRONMENT_NAMES.redis_list) ?? (lists.length === 1 ? lists[0] : undefined);
}

/** For connecting, and for each answer. */
const ANSWER_MS = 3_000;
/** For all that one call asks. */
const CALL_MS = 10_000;
/** How long a connection that nobody needs is kept. */
const IDLE_MS = 60_000;

/** The lists of Redis destinations, as operators ask for them. */
export interface RedisQueues {
  /**
   * Asks something of a destination's list, within 10 seconds.
   * @throws {DestinationUnavailable} Redis did not answer, or refuses
   */
  ask<T>(destination: RedisDestination, question: (queue: RedisQueue, signal: AbortSignal) => Promise<T>): Promise<T>;
  close(): void;
}

interface Opened {
  readonly changedAt: string;
  readonly redis: RedisConnection;
  readonly queue: RedisQueue;
  idle: NodeJS.Timeout | undefined;
}

export function createRedisQueues(db: Database): RedisQueues {
  const opened = new Map<string, Opened>();

  function close(id: string): void {
    clearTimeout(opened.get(id)?.idle);
    opened.get(id)?.redis.close();
    opened.delete(id);
  }

  async function open({ id, destinationNo, changedAt }: RedisDestination): Promise<Opened> {
    const known = opened.get(id);
    if (known?.changedAt === changedAt) return known;
    const loaded = await loadDestination(db, id);
    if (loaded?.destination.kind !== 'redis_list') throw new UnknownDestination(destinationNo);
    const { settings } = loaded.destination;
    const redis = new RedisConnection({ ...settings, password: loaded.secret.password, timeoutMs: ANSWER_MS });
    const queue = new RedisQueue(redis, { queue: settings.list, maxLength: settings.maxLength });
    close(id);
    const made = { changedAt, redis, queue, idle: undefined };
    opened.set(id, made);
    return made;
  }

  return {
    async ask(destination, question) {
      const link = await open(destination);
      clearTimeout(link.idle);
      const signal = AbortSignal.timeout(CALL_MS);
      try {
        return await question(link.queue, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        const words = `Redis takes too long: no answer within ${CALL_MS / 1000} s`;
        throw new DestinationUnavailable('away', words, { cause: error });
      } finally {
        clearTimeout(link.idle);
        link.idle = setTimeout(() => {
          if (opened.get(destination.id) === link) close(destination.id);
        }, IDLE_MS).unref();
      }
    },
    close: () => [...opened.keys()].forEach(close),
  };
}
